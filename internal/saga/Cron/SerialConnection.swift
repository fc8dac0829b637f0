internal import Errors
internal import Logger
internal import Postgres
internal import Service
internal import Synchronization
internal import Values

/// One connection for one periodic job, opened when it is needed and again when it was lost.
final class SerialConnection: Sendable {
  /// How long a job waits for the database before it gives this round up.
  private static let patience = Duration.seconds(2)

  private let context: ProgramContext
  private let role: String
  private let isDirect: Bool
  private let parameters: [String: String]
  private let reconnecting = Mutex<ReconnectingConnection?>(nil)

  /// - Parameter parameters: server settings of the session.
  init(_ context: ProgramContext, role: String, isDirect: Bool = false, parameters: [String: String] = [:]) {
    self.context = context
    self.role = role
    self.isDirect = isDirect
    self.parameters = parameters
  }

  /// Runs `body` with the connection; the job's thread blocks, others wait their turn.
  func use<Value: Sendable>(_ body: @Sendable (Connection) throws(DatabaseError) -> Value) throws(DatabaseError)
    -> Value
  {
    let result = reconnecting.withLock { slot -> Result<Value, DatabaseError> in
      do throws(DatabaseError) {
        if slot == nil {
          slot = ReconnectingConnection(
            configuration: try context.database(role: role, isDirect: isDirect, parameters: parameters),
            logger: context.logger.labelled(role), stop: context.stop)
        }
        guard let connection = try slot?.connected(until: .now() + Self.patience) else { preconditionFailure() }
        return .success(try body(connection))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }
}
