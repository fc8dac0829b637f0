internal import Errors
public import Logger
public import Runtime
internal import Values

extension KafkaAdmin {
  /// Makes the topics that are absent, and waits for the broker, however long it is away.
  /// - Parameters:
  ///   - stop: ends the wait.
  ///   - onProblem: told what is in the way, each time that it is met.
  /// - Returns: topics with another number of partitions than asked for; nil when stopped meanwhile.
  /// - Throws: what time does not cure.
  public static func waitForTopics(
    _ wanted: [TopicSpecification], _ configuration: KafkaConfiguration, logger: Logger, stop: StopFlag,
    onProblem: (KafkaError) -> Void = { _ in }
  ) throws(KafkaError) -> [TopicMismatch]? {
    var obstacle = ObstacleLog("waiting for the broker", logger)
    let admin = try KafkaAdmin(configuration, logger: logger)
    defer { admin.close() }
    while !stop.isStopped {
      do throws(KafkaError) {
        let mismatches = try admin.ensureTopics(wanted, until: .now() + .seconds(2))
        obstacle.note(nil, at: .now())
        return mismatches
      } catch {
        if !error.isRetryable { throw error }
        onProblem(error)
        obstacle.note(error: error, at: .now())
        stop.wait(until: .now() + .seconds(1))
      }
    }
    return nil
  }
}
