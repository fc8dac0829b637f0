internal import Errors
public import Kafka
public import Logger
public import Runtime
public import Settings

/// The settings of a program's brokers: a group, whose rows are `rows`. All contexts have the same brokers.
public struct KafkaSettings: Sendable {
  /// `HOST:PORT`, commas between.
  public var brokers = ""
  /// The number of partitions of topics that the programs make.
  public var topicPartitions = 0
  /// librdkafka's properties from `KAFKA_<PROPERTY>`, such as `security.protocol`. May hold passwords.
  public var properties: [String: String] = [:]

  /// The values before any row of a table is read.
  public init() {}

  /// The configuration of a client.
  /// - Parameter clientID: the name under which brokers log it.
  public func configuration(clientID: String) -> KafkaConfiguration {
    KafkaConfiguration(brokers: brokers, clientID: clientID, properties: properties)
  }

  /// The rows of `brokers` and `topicPartitions`: `KAFKA_BROKERS` and `KAFKA_TOPIC_PARTITIONS`. A table that has them
  /// also has the `properties(setElsewhere:)`.
  /// - Parameters:
  ///   - partitions: another name for the second one, for a pipeline whose topics are its own.
  ///   - standard: the default of that one.
  public static func rows(
    brokers: SettingDefault, _ users: [Program], partitions: String = "KAFKA_TOPIC_PARTITIONS", standard: Int = 4
  ) -> [Setting<KafkaSettings>] {
    [
      .brokers(brokersName, \.brokers, brokers, users, "bootstrap brokers"),
      .integer(
        partitions, \.topicPartitions, 1...10_000, .value("\(standard)"), users,
        "number of partitions for topics that the programs create"),
    ]
  }

  /// librdkafka's properties as settings, `KAFKA_<PROPERTY>`; those in `KafkaConfiguration.reserved` are refused.
  /// - Parameter setElsewhere: words for reserved properties that a setting of the table decides, such as
  ///   `"group.id": "the group is named by ORDERS_GROUP"`.
  public static func properties(setElsewhere: [String: String]) -> PropertySettings<KafkaSettings> {
    let brokers = "the brokers are named by \(brokersName)"
    let reserved = KafkaConfiguration.reserved
      .merging(["bootstrap.servers": brokers, "metadata.broker.list": brokers]) { $1 }.merging(setElsewhere) { $1 }
    return PropertySettings(
      prefix: "KAFKA_", library: "librdkafka", example: "security.protocol", reserved: reserved,
      isSecret: KafkaConfiguration.isSecret
    ) { property, value, settings in settings.properties[property] = value }
  }

  private static let brokersName = "KAFKA_BROKERS"

  /// Lets librdkafka parse its properties, so that a mistake in one stops the program as other wrong settings do.
  /// - Throws: `SettingsError` that names the property's setting; values are left to librdkafka's messages, which hide
  ///   secrets.
  public func check() throws(SettingsError) {
    do throws(KafkaError) {
      try configuration(clientID: "check").validate()
    } catch {
      let property = properties.keys.filter { error.message.contains($0) }.max { $0.count < $1.count }
      let setting = property.map(Self.properties(setElsewhere: [:]).name) ?? Self.brokersName
      throw SettingsError(.invalidValue, setting: setting, "\(setting): \(error)")
    }
  }

  /// Looks topics up, makes those that are absent, and waits for the broker, however long it is away.
  /// - Parameters:
  ///   - program: the program's name.
  ///   - stop: ends the wait.
  ///   - onProblem: told what is in the way, each time that it is met.
  /// - Returns: false when stopped meanwhile.
  public func waitForTopics(
    _ names: [String], program: String, logger: Logger, stop: StopFlag, onProblem: (KafkaError) -> Void = { _ in }
  ) throws(KafkaError) -> Bool {
    let wanted = names.map { TopicSpecification($0, partitions: topicPartitions) }
    let mismatches = try KafkaAdmin.waitForTopics(
      wanted, configuration(clientID: "\(program)-admin"), logger: logger.labelled("topics"), stop: stop,
      onProblem: onProblem)
    for mismatch in mismatches ?? [] {
      logger.warning(
        "a topic has another number of partitions than the settings say",
        [
          "topic": .string(mismatch.topic), "found": .number(mismatch.found), "expected": .number(mismatch.expected),
        ])
    }
    return mismatches != nil
  }
}
