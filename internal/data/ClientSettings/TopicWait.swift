internal import Errors
public import Kafka
public import Logger
public import Runtime
internal import Synchronization
internal import Values

/// The wait for topics without which a part of a program cannot begin. Callable on any thread.
public final class TopicWait: Sendable {
  private enum State {
    /// What is in the way, once that is known.
    case waiting(String?)
    case over
  }

  private let topics: [String]
  private let state = Mutex(State.waiting(nil))

  /// - Parameter topics: what has to be there.
  public init(_ topics: [String]) { self.topics = topics }

  /// Looks the topics up, makes those that are absent, and waits for the broker, however long it is away.
  /// - Parameters:
  ///   - program: the program's name.
  ///   - stop: ends the wait.
  /// - Returns: false when stopped meanwhile.
  /// - Throws: what time does not cure.
  public func run(
    _ kafka: KafkaSettings, program: String, logger: Logger, stop: StopFlag
  ) throws(KafkaError) -> Bool {
    let isThere = try kafka.waitForTopics(topics, program: program, logger: logger, stop: stop) { error in
      state.withLock { $0 = .waiting(error.description) }
    }
    if isThere { state.withLock { $0 = .over } }
    return isThere
  }

  /// What is waited for and why, for readiness; nil once the topics are there.
  public var problem: String? {
    state.withLock { state in
      guard case .waiting(let obstacle) = state else { return nil }
      let names = "waiting for the topic\(topics.count == 1 ? "" : "s") \(topics.joined(separator: ", "))"
      return obstacle.map { "\(names): \($0)" } ?? names
    }
  }
}
