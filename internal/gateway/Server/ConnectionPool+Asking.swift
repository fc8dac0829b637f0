internal import GatewayAPI
internal import Postgres
internal import Values

extension ConnectionPool {
  /// Runs `body` on a connection, and says why it could not in the words of callers.
  func ask<Value: Sendable>(
    _ deadline: Instant, _ body: @escaping @Sendable (Connection) throws(DatabaseError) -> Value
  ) async throws(StoreTrouble) -> Value {
    do throws(DatabaseError) {
      return try await withConnection(deadline: deadline, body)
    } catch {
      throw StoreTrouble(error)
    }
  }
}

extension StoreTrouble {
  /// What a caller is told of an error of the database.
  init(_ error: DatabaseError) {
    switch error.code {
    case .overloaded: self = .overloaded
    case .outcomeUnknown: self = .outcomeUnknown
    case .closed: self = .stopping
    case .server where !error.isRetryable: self = .faulty(error.description)
    case .content, .schema, .protocolViolation, .invalidDSN: self = .faulty(error.description)
    case .server, .connectionFailed, .connectionLost, .unavailable: self = .unavailable
    }
  }
}
