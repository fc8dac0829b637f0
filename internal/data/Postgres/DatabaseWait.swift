public import Errors
public import Logger
public import Runtime
internal import Values

/// Questions that a program asks the database when it starts; it waits for the answers, however long the database is
/// away. For one thread.
public final class DatabaseWait {
  /// How long to wait before a question is asked again.
  private static let pause = Duration.seconds(1)

  private let connection: ReconnectingConnection
  private let logger: Logger
  private let stop: StopFlag

  /// - Parameter stop: ends the wait.
  public init(_ configuration: DatabaseConfiguration, logger: Logger, stop: StopFlag) {
    self.logger = logger
    self.stop = stop
    connection = ReconnectingConnection(configuration: configuration, logger: logger, stop: stop)
  }

  deinit { connection.disconnect() }

  /// Asks until there is an answer.
  /// - Parameter again: whether an error says that the database could not be asked.
  /// - Throws: the first error that time does not cure; `DatabaseError` `.closed` when stopped meanwhile.
  public func answer<Answer, Failure: ModuleError>(
    again: (Failure) -> Bool, _ ask: (Connection) throws(Failure) -> Answer
  ) throws -> Answer {
    while true {
      let connection = try connection.connected(until: .distantFuture)
      do throws(Failure) {
        return try ask(connection)
      } catch {
        if !again(error) { throw error }
        logger.warning("the database does not answer yet", ["error": .error(error)])
        if stop.wait(until: .now() + Self.pause) { throw error }
      }
    }
  }
}
