internal import Errors
internal import Kafka
internal import Logger
internal import Metrics
public import Outbox
internal import Postgres
internal import SagaSettings
internal import Settings
internal import Values

/// What programs wait for before they begin.
extension ProgramContext {
  /// What the last migration makes: where it is, all before it have been run.
  private static let newestTable = "idempotency_key"

  /// Waits for the database, however long it takes, and reads how keys are spread.
  /// - Throws: `OutboxError` when the tables are missing: they must be made first, waiting would not help.
  ///   `DatabaseError` `.closed` when the program was stopped meanwhile.
  public func waitForDatabase() throws -> ShardMap {
    let connection = ReconnectingConnection(
      configuration: try database(role: "start-up"), logger: logger.labelled("start-up"), stop: stop)
    defer { connection.disconnect() }
    while true {
      let database = try connection.connected(until: .distantFuture)
      do throws(OutboxError) {
        let shards = try ShardMap.load(database)
        try requireNewestTable(database)
        return shards
      } catch {
        if error.code != .database { throw error }
        logger.warning("the database does not answer yet", ["error": .error(error)])
        if stop.wait(until: .now() + .seconds(1)) { throw error }
      }
    }
  }

  private func requireNewestTable(_ connection: Connection) throws(OutboxError) {
    let rows: Rows
    do {
      rows = try connection.run(
        Command(Statement("SELECT to_regclass($1::text) IS NOT NULL", isReadOnly: true), [.text(Self.newestTable)]))
    } catch {
      throw OutboxError(.database, "the tables could not be looked up", cause: error)
    }
    guard rows[0].bool(0) else {
      throw OutboxError(.schema, "table \(Self.newestTable) is missing: run the migrations (paysaga migrate up)")
    }
  }

  /// Looks the topics up and makes those that are absent; waits for the broker, however long it takes.
  /// - Returns: false when the program was stopped meanwhile.
  public func ensureTopics(_ names: [String]) throws -> Bool {
    let log = logger.labelled("topics")
    let admin = try KafkaAdmin(kafka(role: "admin"), logger: log)
    defer { admin.close() }
    let wanted = names.map { TopicSpecification($0, partitions: settings.kafka.topicPartitions) }
    while !stop.isStopped {
      do throws(KafkaError) {
        let mismatches = try admin.ensureTopics(wanted, until: .now() + .seconds(2))
        for mismatch in mismatches { warn(of: mismatch) }
        return true
      } catch {
        if !error.isRetryable { throw error }
        log.warning("waiting for the broker", ["brokers": .string(settings.kafka.brokers), "error": .error(error)])
        if stop.wait(until: .now() + .seconds(1)) { break }
      }
    }
    return false
  }

  private func warn(of mismatch: TopicMismatch) {
    logger.warning(
      "a topic has another number of partitions than KAFKA_TOPIC_PARTITIONS",
      [
        "topic": .string(mismatch.topic), "found": .number(mismatch.found), "expected": .number(mismatch.expected),
      ])
  }
}
