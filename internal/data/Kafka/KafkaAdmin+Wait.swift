internal import Errors
public import Logger
public import Runtime
internal import Values

extension KafkaAdmin {
  /// Makes the topics that are absent, and waits for the broker, however long it is away.
  /// - Parameter stop: ends the wait.
  /// - Returns: topics with another number of partitions than asked for; nil when stopped meanwhile.
  /// - Throws: what time does not cure.
  public static func waitForTopics(
    _ wanted: [TopicSpecification], _ configuration: KafkaConfiguration, logger: Logger, stop: StopFlag
  ) throws(KafkaError) -> [TopicMismatch]? {
    let admin = try KafkaAdmin(configuration, logger: logger)
    defer { admin.close() }
    while !stop.isStopped {
      do throws(KafkaError) {
        return try admin.ensureTopics(wanted, until: .now() + .seconds(2))
      } catch {
        if !error.isRetryable { throw error }
        logger.warning(
          "waiting for the broker", ["brokers": .string(configuration.brokers), "error": .error(error)])
        stop.wait(until: .now() + .seconds(1))
      }
    }
    return nil
  }
}
