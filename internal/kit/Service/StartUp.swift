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
  /// Waits for the database, however long it takes, and reads how keys are spread.
  /// - Parameter runsJobs: whether the program runs the cron jobs, which need more of the tables.
  /// - Throws: `OutboxError` when the tables are missing, or the role may not do on them what the program does: waiting
  ///   would not help.
  ///   `DatabaseError` `.closed` when the program was stopped meanwhile.
  public func waitForDatabase(runsJobs: Bool) throws -> ShardMap {
    let connection = ReconnectingConnection(
      configuration: try database(role: "start-up"), logger: logger.labelled("start-up"), stop: stop)
    defer { connection.disconnect() }
    while true {
      let database = try connection.connected(until: .distantFuture)
      do throws(OutboxError) {
        // First, since it says what is missing.
        if let missing = try SchemaCheck(runsJobs: runsJobs).run(database) {
          logger.warning(
            "this program cannot make and drop the tables' days; another must, run by their owner",
            ["missing": .string(missing)])
        }
        return try ShardMap.load(database)
      } catch {
        if error.code != .database { throw error }
        logger.warning("the database does not answer yet", ["error": .error(error)])
        if stop.wait(until: .now() + .seconds(1)) { throw error }
      }
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
