internal import Errors
public import Logger
public import Runtime
internal import Synchronization
internal import Values

/// One connection for one periodic job, opened when it is needed and again when it was lost.
public final class SerialConnection: Sendable {
  /// How long a job waits for the database before it gives this round up.
  private static let patience = Duration.seconds(2)

  private let configuration: DatabaseConfiguration
  private let logger: Logger
  private let stop: StopFlag
  private let reconnecting = Mutex<ReconnectingConnection?>(nil)

  /// - Parameter stop: ends waits.
  public init(_ configuration: DatabaseConfiguration, logger: Logger, stop: StopFlag) {
    self.configuration = configuration
    self.logger = logger
    self.stop = stop
  }

  /// Runs `body` with the connection; the job's thread blocks, others wait their turn.
  public func use<Value: Sendable>(_ body: @Sendable (Connection) throws(DatabaseError) -> Value) throws(DatabaseError)
    -> Value
  {
    let result = reconnecting.withLock { slot -> Result<Value, DatabaseError> in
      do throws(DatabaseError) {
        let reconnecting =
          slot ?? ReconnectingConnection(configuration: configuration, logger: logger, stop: stop)
        slot = reconnecting
        return .success(try body(try reconnecting.connected(until: .now() + Self.patience)))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  /// Closes it until it is used again.
  public func disconnect() {
    reconnecting.withLock { slot in
      slot?.disconnect()
      slot = nil
    }
  }
}
