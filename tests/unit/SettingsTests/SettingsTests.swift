import ClientSettings
import Contexts
import Errors
import Foundation
import Logger
import SagaSettings
import Settings
import Testing
import Values

private let required = [
  "DB_DSN": "postgres://payments:pw@127.0.0.1:54321/payments?sslmode=disable", "KAFKA_BROKERS": "127.0.0.1:9095",
]

/// Loads with what every service needs, and more.
private func load(
  _ more: [String: String] = [:], program: Program = .server, file: String? = nil
) throws(SettingsError) -> SagaSettings {
  try SagaSettings.load(program: program, environment: required.merging(more) { $1 }, file: file).settings
}

/// The one message that `more` stops the program with.
private func message(_ more: [String: String]) -> String {
  do {
    _ = try load(more)
    return "taken"
  } catch { return error.description }
}

/// A settings file for the time of `body`.
private func withFile<Result>(_ text: String, _ body: (String) throws -> Result) throws -> Result {
  let path = FileManager.default.temporaryDirectory.appending(path: "settings-\(UUID()).env").path
  try Data(text.utf8).write(to: URL(fileURLWithPath: path))
  defer { try? FileManager.default.removeItem(atPath: path) }
  return try body(path)
}

@Suite struct SettingsTests {
  @Test func haveDefaults() throws {
    let settings = try load()
    #expect(settings.database.directDSN == required["DB_DSN"] && settings.database.isPrepared)
    #expect(settings.database.poolSize == 4 && settings.kafka.topicPartitions == 4)
    #expect(!settings.redis.isEnabled && settings.redis.timeToLive == .seconds(86_400))
    #expect(settings.server.address == NetworkAddress(host: "127.0.0.1", port: 8081))
    #expect(settings.service.shutdownTimeout == .seconds(10) && settings.server.threads >= 1)
    #expect(settings.consumer.topic == "inventory" && settings.consumer.deadLetterTopic == "inventory.dlq")
    #expect(settings.consumer.group == "payments" && settings.consumer.triggerStatus == "COMPLETED")
    #expect(settings.consumer.batch == 1_000 && settings.producer.topic == "payment")
    #expect(settings.cron.isEnabled && settings.cron.frequency == .seconds(1) && settings.cron.eventsLimit == 8_192)
    #expect(settings.cron.reserve == .seconds(30) && settings.payment.timeToLive == .seconds(86_400))
    #expect(settings.event.retentionDays == 7 && settings.event.retention == .seconds(7 * 86_400))
    #expect(settings.service.logLevel == .info && settings.service.logFormat == .text)
  }

  @Test(arguments: [(Program.server, 9101), (.consumer, 9102), (.cron, 9103), (.cli, nil)] as [(Program, UInt16?)])
  func giveEachProgramItsAdminPort(program: Program, port: UInt16?) throws {
    #expect(try load(program: program).service.adminAddress?.port == port)
    #expect(try load(["ADMIN_ADDR": ""], program: program).service.adminAddress == nil)
  }

  @Test func giveTheCommandLineTheLocalStack() throws {
    let settings = try SagaSettings.load(program: .cli, environment: [:]).settings
    #expect(settings.database.dsn == "postgres://payments:payments@127.0.0.1:54321/payments?sslmode=disable")
    #expect(settings.kafka.brokers == "127.0.0.1:9095" && settings.server.address.description == "127.0.0.1:8081")
  }

  @Test(arguments: [Program.server, .consumer, .cron])
  func areRequiredOfServices(program: Program) {
    do {
      _ = try SagaSettings.load(program: program, environment: ["KAFKA_BROKERS": "k:1"])
      Issue.record("started without a database")
    } catch {
      #expect(error.code == .missingSetting && error.setting == "DB_DSN")
      #expect(error.description.hasPrefix("DB_DSN is not set: \(program.name) needs it"))
    }
  }

  @Test(arguments: ["0.0.0.0:8081", ":8081", "[::]:8081", "10.0.0.1:0", "db.internal:1", "[::ffff:10.0.0.1]:1"])
  func closeTheAPIBeyondLoopback(address: String) throws {
    let text = message(["SERVER_GRPC_ADDR": address])
    #expect(text.contains("SERVER_TLS_CLIENT_CA") && text.contains("SERVER_INSECURE=true"), "\(text)")
    let tls = ["SERVER_TLS_CERT": "/c", "SERVER_TLS_KEY": "/k"]
    #expect(message(tls.merging(["SERVER_GRPC_ADDR": address]) { $1 }).contains("SERVER_TLS_CLIENT_CA"))
    _ = try load(tls.merging(["SERVER_GRPC_ADDR": address, "SERVER_TLS_CLIENT_CA": "/a"]) { $1 })
    _ = try load(["SERVER_GRPC_ADDR": address, "SERVER_INSECURE": "true"])
    // Where a program only calls, or takes no calls, the address is nobody's door.
    for program in [Program.consumer, .cron, .cli] { _ = try load(["SERVER_GRPC_ADDR": address], program: program) }
  }

  @Test(arguments: [
    "127.0.0.1:8081", "127.9.9.9:0", "localhost:1", "LocalHost:1", "[::1]:8081", "[::ffff:127.0.0.1]:1",
  ])
  func openTheAPIOnLoopback(address: String) throws { _ = try load(["SERVER_GRPC_ADDR": address]) }

  @Test func takeEveryKindOfValue() throws {
    let settings = try load([
      "DB_DIRECT_DSN": "postgresql:///pay?host=/run/postgresql", "DB_PREPARED": "false", "DB_POOL_SIZE": "32",
      "REDIS_DSN": "redis://:pw@cache:6379/3", "KAFKA_BROKERS": "a:1, [::1]:2", "SERVER_GRPC_ADDR": "[::]:0",
      "SERVER_INSECURE": "true",
      "SERVER_SHUTDOWN_TIMEOUT": "1m30s", "SERVER_THREADS": "3", "SERVER_TLS_CERT": "", "CRON_ENABLED": "0",
      "PAYMENT_TTL": "0", "EVENT_RETENTION": "48h", "LOG_LEVEL": "debug", "LOG_FORMAT": "json",
    ])
    #expect(settings.database.directDSN == "postgresql:///pay?host=/run/postgresql" && !settings.database.isPrepared)
    #expect(settings.database.poolSize == 32 && settings.redis.isEnabled && settings.kafka.brokers == "a:1,[::1]:2")
    #expect(settings.server.address == NetworkAddress(host: "::", port: 0) && settings.server.threads == 3)
    #expect(settings.service.shutdownTimeout == .seconds(90) && !settings.cron.isEnabled)
    #expect(settings.payment.timeToLive == nil && settings.event.retentionDays == 2)
    #expect(settings.service.logLevel == .debug && settings.service.logFormat == .json)
  }

  @Test(arguments: [
    ("DB_POOL_SIZE", "0"), ("DB_POOL_SIZE", "257"), ("DB_POOL_SIZE", "+4"), ("DB_POOL_SIZE", ""),
    ("DB_POOL_SIZE", "4.0"),
    ("DB_PREPARED", "yes"), ("DB_PREPARED", ""), ("CRON_FREQUENCY", "1"), ("CRON_FREQUENCY", "0"),
    ("CRON_FREQUENCY", "5ms"), ("CRON_FREQUENCY", "1s1m"), ("CRON_FREQUENCY", "99999999999999d"),
    ("EVENT_RETENTION", "36h"), ("EVENT_RETENTION", "0"), ("PAYMENT_TTL", "5ms"), ("LOG_LEVEL", "INFO"),
    ("LOG_FORMAT", "xml"), ("CONSUMER_TOPIC", "a b"), ("CONSUMER_TOPIC", ""), ("CONSUMER_TOPIC", ".."),
    ("PRODUCER_TOPIC", "zahlung\u{E4}"), ("SERVER_GRPC_ADDR", "8081"), ("SERVER_GRPC_ADDR", "a:99999"),
    ("ADMIN_ADDR", "nowhere"), ("KAFKA_BROKERS", ""), ("KAFKA_BROKERS", "a:1,,b:2"), ("KAFKA_BROKERS", "a"),
    ("KAFKA_BROKERS", "a:0"), ("KAFKA_BROKERS", "a:1,:2"),
  ])
  func refuseOtherValues(name: String, value: String) {
    let text = message([name: value])
    #expect(text.hasPrefix("\(name)=\(value) in the environment: expected "), "\(text)")
  }

  @Test func sayWhatIsAllowed() {
    #expect(
      message(["DB_POOL_SIZE": "abc"])
        == "DB_POOL_SIZE=abc in the environment: expected an integer from 1 to 256")
    #expect(message(["LOG_LEVEL": "x"]).hasSuffix("expected one of debug, info, warning, error"))
    #expect(
      message(["CRON_RESERVE": "x"]).hasSuffix("expected a duration from 1s to 10m, written like 500ms, 10s or 1h30m"))
  }

  @Test(arguments: [
    "mysql://u:s3cret@h/db", "host=h password=s3cret", "postgres://u:s3cret@h:99999/db", "postgres://u:s3cret@h",
    "postgres://u:s3cret@h/", "postgres://u:p/@s3cret@h:x/db", "postgres://h/db?password=s3cret&oops",
    "postgres://u:s3cret@h/db?sslpassword=s3cret&&", "postgres://u:s3 cret@h/db", "postgres://u:s3cret@h/a/b", "",
    "postgres://u:s3cret@h,,i/db", "postgres://u:p@s3cret@h/db", "postgres://u:s3cret@h:00/db",
    "postgres://u:s3cret%zz@h/db",
    "postgres://u:s3cret%00@h/db", "postgres://h/db?password=s3cret=", "postgres://u:s3cret%4@h/db",
    // Marks that combine with what is beside them into one character.
    "postgres://u:s3cret@\u{301}h/db", "postgres://u:\u{301}s3cret@h/db", "postgres://u:s3cret\u{600}@h/db",
    "postgres://h/db?PassWord=\u{301}s3cret",
  ])
  func refuseAWrongDatabaseAndHideItsPassword(dsn: String) {
    let text = message(["DB_DSN": dsn])
    #expect(text.hasPrefix("DB_DSN in the environment: ") && !text.contains("s3cret"), "\(text)")
  }

  @Test(arguments: [
    "postgres://h/db", "postgres://u@h:1/db", "postgres://u:p%40@h1:5432,h2/db?target_session_attrs=any",
    "postgres://[::1]:5432/db", "postgresql:///db?host=/tmp", "postgres://h?dbname=db",
  ])
  func takeDatabases(dsn: String) throws {
    #expect(try load(["DB_DSN": dsn]).database.dsn == dsn)
  }

  @Test(arguments: [
    "redis://h:x", "redis://", "redis://h/a", "redis://u@h:1", "http://h:1", "redis://h:0", "redis://:p@",
    "redis://h/0/1", "redis://u:@h", "redis://h:00", "redis://:%ff@h", "redis://%C3:p@h",
  ])
  func refuseAWrongRedis(dsn: String) {
    #expect(message(["REDIS_DSN": dsn]).contains(": expected redis://"))
  }

  @Test func refuseRedisOverTLSAndNameAProxy() {
    let text = message(["REDIS_DSN": "rediss://u:s3cret@h:6380/0"])
    #expect(
      text.hasPrefix("REDIS_DSN in the environment: TLS") && !text.contains("s3cret") && text.contains("TLS proxy"))
  }

  @Test func takeTheFilesOfTLSTogether() throws {
    let files = ["SERVER_TLS_CERT": "/c.pem", "SERVER_TLS_KEY": "/k.pem"]
    #expect(try !load().server.tls.isEnabled)
    let tls = try load(files.merging(["SERVER_TLS_CLIENT_CA": "ca.pem"]) { $1 }).server.tls
    #expect(tls.isEnabled && tls.certificate == "/c.pem" && tls.key == "/k.pem" && tls.clientAuthorities == "ca.pem")
    #expect(message(["SERVER_TLS_CERT": "/c.pem"]).hasPrefix("SERVER_TLS_KEY is not set, and SERVER_TLS_CERT is: "))
    #expect(message(["SERVER_TLS_KEY": "/k.pem"]).hasPrefix("SERVER_TLS_CERT is not set, and SERVER_TLS_KEY is: "))
    #expect(message(["SERVER_TLS_CLIENT_CA": "/a.pem"]).hasPrefix("SERVER_TLS_CERT is not set, and SERVER_TLS_CLIENT"))
  }

  @Test func refuseAndHideAKeyInPlaceOfItsFile() {
    let text = message(["SERVER_TLS_KEY": "-----BEGIN PRIVATE KEY-----\nMIIE"])
    #expect(text == "SERVER_TLS_KEY=*** in the environment: expected the path of a PEM file, or nothing")
  }

  @Test func suggestTheNearestName() {
    #expect(
      message(["CRON_FREQENCY": "1s"])
        == "CRON_FREQENCY in the environment: no such setting; did you mean CRON_FREQUENCY?")
    #expect(message(["DB_POOLSIZE": "1"]).hasSuffix("did you mean DB_POOL_SIZE?"))
    #expect(message(["DB_XXXXXXXXXXXXXXXXX": "1"]).hasSuffix("--help lists them all"))
  }

  @Test(arguments: [
    "REDIS_AUTH", "DB_PASS", "SERVER_API_KEY", "DB_PASSWORD", "KAFKA_lower", "EVENT_PIN", "ADMIN_X", "KAFKA_ACKS",
    "KAFKA_GROUP_ID",
  ])
  func nameWhatIsUnknownOrOursWithoutItsValue(name: String) throws {
    let text = message([name: "s3cret"])
    #expect(text.hasPrefix("\(name) in the environment: ") && !text.contains("s3cret"), "\(text)")
    let inFile = #expect(throws: SettingsError.self) { try withFile("\(name)='s3cret'") { try load(file: $0) } }
    #expect(inFile?.description.contains("s3cret") == false)
  }

  /// However a password is written, and whichever setting it was put into by mistake.
  @Test(arguments: [
    "host=h user=u password='two s3cret words' dbname=d", "password = 'a\\' s3cret' host=h", "PASSWORD= s3cret host=h",
    "host=h password=\"x s3cret\"", "postgres://u:a b s3cret@h/db", "postgres://u:'a@s3cret'@h/db",
    "postgres://u:1/s3cret@h/db", "postgres://u:1?s3cret@h/db", "postgres://u:a#s3cret@h:x/db",
    "postgres:/u:s3cret@h/db",
    "postgresql://h:x/db?sslpassword='a b&s3cret'", "u:s3cret@h", "redis://:a/s3cret@h:6379", "redis://u:s3cret@:1/0",
    "redis://h:1/s3cret", "redis://h/0?password=s3cret", "rediss://:s3cret@h", "\"s3cret\"",
  ])
  func hidePasswordsHoweverTheyAreWritten(address: String) {
    for name in ["DB_DSN", "DB_DIRECT_DSN", "REDIS_DSN", "DB_DNS", "KAFKA_BROKER_LIST", "SERVER_URL"] {
      let text = message([name: address])
      #expect(!text.contains("s3cret"), "\(text)")
    }
    guard address.contains("@") || address.lowercased().contains("password") else { return }
    for name in ["KAFKA_BROKERS", "LOG_LEVEL", "SERVER_GRPC_ADDR", "CRON_FREQUENCY"] {
      let text = message([name: address])
      #expect(text.hasPrefix("\(name)=") && !text.contains("s3cret"), "\(text)")
    }
  }

  @Test func escapeWhatWouldPlayWithTheTerminal() {
    #expect(message(["LOG_LEVEL": "a\u{1B}[2J\u{202E}\u{9B}"]).hasPrefix("LOG_LEVEL=a\\u001b[2J\\u202e\\u009b in the"))
  }

  @Test func suggestNothingFarAway() {
    #expect(message(["SERVER_PORT": "8081"]).contains("no such setting"))
  }

  @Test func leaveOutWhatKubernetesSets() throws {
    _ = try load([
      "REDIS_SERVICE_HOST": "10.0.0.1", "REDIS_SERVICE_PORT": "6379", "REDIS_SERVICE_PORT_TLS": "6380",
      "REDIS_PORT": "tcp://10.0.0.1:6379", "REDIS_PORT_6379_TCP": "tcp://10.0.0.1:6379",
      "REDIS_PORT_6379_TCP_ADDR": "10.0.0.1", "REDIS_PORT_6379_TCP_PORT": "6379", "REDIS_PORT_6379_TCP_PROTO": "tcp",
      "PAYMENT_SERVER_PORT_8081_UDP_PORT": "8081", "KAFKA_SERVICE_HOST": "10.0.0.2", "PATH": "/bin",
      "PAYMENTS_COLOUR": "blue",
    ])
    #expect(message(["REDIS_PORT": "6379"]).contains("no such setting"))
    #expect(try load(["KAFKA_PORT_9092_TCP": "tcp://1:2"]).kafka.properties.isEmpty)
  }

  @Test func passPropertiesToLibrdkafka() throws {
    let settings = try load([
      "KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_PASSWORD": "pw", "KAFKA_TOPIC_PARTITIONS": "9",
    ])
    #expect(settings.kafka.properties == ["security.protocol": "SASL_SSL", "sasl.password": "pw"])
    #expect(settings.kafka.topicPartitions == 9)
    #expect(message(["KAFKA_ACKS": "1"]).hasPrefix("KAFKA_ACKS in the environment: acks cannot be set: "))
    #expect(message(["KAFKA_BOOTSTRAP_SERVERS": "h:1"]).hasSuffix("the brokers are named by KAFKA_BROKERS"))
    #expect(message(["KAFKA_lower": "1"]).contains("no such setting"))
  }

  @Test func readAFileBelowTheEnvironment() throws {
    let text = """
      # comment
      DB_DSN=postgres://u:p#1@h/db # more
        LOG_LEVEL = debug
      """
    #expect(throws: SettingsError.self) { try withFile(text) { try load(file: $0) } }
    let good =
      "\u{20}# comment\r\nDB_POOL_SIZE=7 # seven\r\n\r\nCONSUMER_GROUP='a'\nLOG_FORMAT=\"json\"\nKAFKA_CLIENT_ID=$HOME#1\n"
    let settings = try withFile(good) { try load(["DB_POOL_SIZE": "9"], file: $0) }
    #expect(settings.database.poolSize == 9 && settings.consumer.group == "a" && settings.service.logFormat == .json)
    #expect(settings.kafka.properties == ["client.id": "$HOME#1"])
  }

  /// Marks that combine with a sign of the file into one character.
  @Test func readSignsBesideCombiningMarks() throws {
    let text = "KAFKA_A=\"a\\\\\u{200D}b\\\"\u{301}\" # c\nKAFKA_B=x #\u{301}y\nKAFKA_C='\u{301}'\n"
    let settings = try withFile(text) { try load(file: $0) }
    #expect(
      settings.kafka.properties == ["a": "a\\\u{200D}b\"\u{301}", "b": "x", "c": "\u{301}"],
      "\(settings.kafka.properties)")
  }

  @Test(arguments: [
    ("LOG_LEVEL", "line 1: expected KEY=VALUE"), ("\nLOG_LEVEL='info", "line 2: expected KEY=VALUE"),
    ("LOG_LEVEL=\"info\" x", "line 1: expected KEY=VALUE"), ("export LOG_LEVEL=info", "line 1: expected KEY=VALUE"),
    ("LOG_LEVEL=info\nLOG_LEVEL=debug", "line 2: LOG_LEVEL is already set in line 1"),
    ("COLOUR=blue", "line 1: no such setting"), ("\n\nDB_POOL_SIZE=x", "line 3: expected an integer"),
    ("REDIS_SERVICE_HOST=h", "no such setting"),
  ])
  func refuseAWrongFile(text: String, expected: String) throws {
    try withFile(text) { path in
      do {
        // The file's value is checked even where the environment's wins.
        _ = try load(["DB_POOL_SIZE": "5"], file: path)
        Issue.record("\(text) was taken")
      } catch let error as SettingsError {
        #expect(error.description.contains(path) && error.description.contains(expected), "\(error)")
      }
    }
  }

  @Test func sayWhichFileCannotBeRead() {
    do {
      _ = try load(file: "/nonexistent/x.env")
      Issue.record("read")
    } catch {
      #expect(error.code == .unreadableFile && error.description.contains("/nonexistent/x.env"))
    }
  }

  /// The committed files must load for every program.
  @Test(arguments: ["local", "docker", "production.example"], SagaSettings.table.programs)
  func takeTheCommittedFiles(name: String, program: Program) throws {
    var root = URL(fileURLWithPath: #filePath)
    for _ in 0..<4 { root.deleteLastPathComponent() }
    // The stacks' passwords are made at random, so that their databases are in no file.
    let environment = name == "production.example" ? [:] : ["DB_DSN": "postgres://u@h:1/d"]
    let settings = try SagaSettings.load(
      program: program, environment: environment, file: root.appending(path: "config/\(name).env").path,
      contexts: contexts
    ).settings
    #expect(settings.redis.isEnabled && !settings.kafka.brokers.isEmpty)
  }
}

@Suite struct SettingsTextTests {
  @Test func everySettingIsInTheTableAndInSomeHelp() {
    let rows = SagaSettings.table.markdown().split(separator: "\n")
    #expect(rows.count == SagaSettings.table.settings.count + 3)
    #expect(rows.allSatisfy { $0.replacing("\\|", with: "").filter { $0 == "|" }.count == 6 })
    for setting in SagaSettings.table.settings {
      #expect(rows.contains { $0.hasPrefix("| `\(setting.name)` |") })
      #expect(!setting.usedBy.isEmpty)
      for program in setting.usedBy { #expect(SagaSettings.table.help(for: program).contains("  \(setting.name)\n")) }
    }
    #expect(SagaSettings.table.markdown().contains("| server: `127.0.0.1:9101`<br>consumer: `127.0.0.1:9102`"))
  }
}

@Suite struct DurationTextTests {
  @Test(arguments: [
    ("0", 0), ("500ms", 500), ("10s", 10_000), ("5m", 300_000), ("24h", 86_400_000), ("7d", 604_800_000),
    ("1h30m", 5_400_000), ("1d1h1m1s1ms", 90_061_001), ("0s", 0),
  ])
  func reads(text: String, milliseconds: Int64) {
    #expect(DurationText.parse(text) == .milliseconds(milliseconds))
  }

  @Test(arguments: [
    "", "1", "s", "-1s", "1.5s", "1m1h", "1s1s", "1 s", "1S", "1us", "٣s", "999999999999999999999s", "1s ",
  ])
  func refuses(text: String) {
    #expect(DurationText.parse(text) == nil)
  }

  @Test func writesWhatItReads() {
    for milliseconds: Int64 in [0, 1, 999, 1_000, 61_000, 86_400_000, 90_061_001] {
      let duration = Duration.milliseconds(milliseconds)
      #expect(DurationText.parse(DurationText.format(duration)) == duration)
    }
    #expect(DurationText.format(.seconds(5_400)) == "1h30m")
  }
}

@Suite struct ProgramArgumentsTests {
  @Test func read() throws {
    #expect(try ProgramArguments([]).action == .run)
    #expect(try ProgramArguments(["--config", "a.env"]).configFile == "a.env")
    #expect(try ProgramArguments(["--config=a.env"]).configFile == "a.env")
    #expect(try ProgramArguments(["--config", "a.env", "--help"]).action == .help)
    #expect(try ProgramArguments(["--version"]).action == .version)
    #expect(try ProgramArguments(["--check", "--config", "a.env"]).action == .check)
    #expect(try ProgramArguments(["--check", "--print-config"]).action == .printConfig)
    #expect(try ProgramArguments(["--version", "--help", "--check"]).action == .help)
    #expect(
      ProgramArguments.help(for: .cron, settings: SagaSettings.table.help(for: .cron)).contains(
        "usage: payments-cron [--config FILE]"))
  }

  @Test(arguments: [["--confg", "x"], ["--config"], ["--config="], ["--config", "a", "--config", "b"], ["run"]])
  func refuse(arguments: [String]) {
    do {
      _ = try ProgramArguments(arguments)
      Issue.record("\(arguments) were taken")
    } catch { #expect(error.code == .badArgument && error.description.contains("--config")) }
  }
}
