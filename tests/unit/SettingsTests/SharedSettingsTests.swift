import ClientSettings
import Kafka
import SagaSettings
import Testing

@testable import Settings

/// The settings of another context, made up for these tests.
private struct CounterSettings: SettingSet {
  static let program = Program(name: "counter", short: "counter", summary: "counts")
  static let table = SettingsTable<CounterSettings>(
    programs: [program], prefixes: ["COUNTER_"],
    [
      .integer("COUNTER_STEP", \.step, 1...9, .value("1"), [program], "how much is added"),
      .text("KAFKA_COUNTS", \.topic, rule: "anything", { _ in true }, .value("counts"), [program], "a topic"),
    ])

  var step = 0
  var topic = ""

  init(program: Program) {}
  mutating func finish() throws(SettingsError) {}
}

/// Several contexts, one settings file or environment.
@Suite struct SharedSettingsTests {
  @Test func aSettingIsTakenWhateverItsNameBeginsWith() throws {
    let loaded = try CounterSettings.load(
      program: CounterSettings.program, environment: ["KAFKA_COUNTS": "mine", "KAFKA_COUNT": "nobody's"])
    #expect(loaded.settings.topic == "mine")
  }

  private let contexts = [SagaSettings.table.names, CounterSettings.table.names]
  private let shared = """
    DB_DSN=postgres://u:p@h/db
    KAFKA_BROKERS=h:1
    KAFKA_LINGER_MS=5
    KAFKA_COUNTS=sums
    COUNTER_STEP=2
    """

  private func saga(
    _ more: String = "", environment: [String: String] = [:]
  ) throws(SettingsError) -> SagaSettings {
    let file = try EnvironmentFile(text: "\(shared)\n\(more)", path: "f")
    return try SagaSettings.load(
      program: .server, environment: environment, file: file, path: "f", contexts: contexts
    ).settings
  }

  private func counter(_ more: String = "") throws(SettingsError) -> CounterSettings {
    let file = try EnvironmentFile(text: "\(shared)\n\(more)", path: "f")
    return try CounterSettings.load(
      program: CounterSettings.program, environment: ["DB_DSN": "other", "COUNTER_STEP": "3"], file: file, path: "f",
      contexts: contexts
    ).settings
  }

  @Test func `each program reads its own settings of a shared file`() throws {
    let saga = try saga()
    #expect(saga.kafka.brokers == "h:1")
    let counter = try counter()
    #expect(counter.step == 3 && counter.topic == "sums")
  }

  @Test func `a name of another context is not taken for a property of librdkafka`() throws {
    #expect(try saga().kafka.properties == ["linger.ms": "5"])
  }

  @Test func `a name of another context does not stop a program, whatever its value`() throws {
    _ = try saga(environment: ["COUNTER_STEP": "many"])
  }

  @Test func `a name that no context has stops all, with the nearest of all names`() {
    for load in [{ _ = try saga("COUNTER_STEPP=1") }, { _ = try counter("COUNTER_STEPP=1") }] as [() throws -> Void] {
      do {
        try load()
        Issue.record("taken")
      } catch {
        #expect("\(error)" == "COUNTER_STEPP in f line 6: no such setting; did you mean COUNTER_STEP?")
      }
    }
  }

  @Test func `a set without properties has no row for them`() {
    #expect(!CounterSettings.table.markdown().contains("PROPERTY"))
    #expect(!CounterSettings.table.help(for: CounterSettings.program).contains("PROPERTY"))
    #expect(SagaSettings.table.help(for: .server).contains("  KAFKA_<PROPERTY>\n"))
  }

  @Test(arguments: KafkaConfiguration.reserved.keys.sorted())
  func `a property that clients reserve is refused where it is set`(property: String) throws {
    let name = KafkaSettings.properties(setElsewhere: [:]).name(of: property)
    do {
      _ = try saga("\(name)=x")
      Issue.record("taken")
    } catch {
      #expect("\(error)".hasPrefix("\(name) in f line 6: \(property) cannot be set: "))
    }
  }

  @Test func `a reserved property names the setting of the context`() {
    for (name, setting) in [("GROUP_ID", "CONSUMER_GROUP"), ("DELIVERY_TIMEOUT_MS", "CRON_RESERVE")] {
      #expect(throws: SettingsError.self) { try saga("KAFKA_\(name)=x") }
      do { _ = try saga("KAFKA_\(name)=x") } catch { #expect("\(error)".contains(setting)) }
    }
  }

  @Test func `without the names of the others a shared file is refused`() throws {
    let file = try EnvironmentFile(text: shared, path: "f")
    #expect(throws: SettingsError.self) {
      try SagaSettings.load(program: .server, environment: [:], file: file, path: "f")
    }
  }
}
