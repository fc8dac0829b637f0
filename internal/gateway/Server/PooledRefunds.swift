internal import GatewayAPI
internal import Postgres
internal import ProcessingStore
internal import Runtime
internal import Values

/// Refunds in processing's database, on the connections of a pool.
struct PooledRefunds: RefundKeeping {
  /// How long a reading for those that wait may take.
  private static let loadTime = Duration.seconds(2)

  private let reader: RefundReader
  private let pool: ConnectionPool

  init(_ reader: RefundReader, _ pool: ConnectionPool) {
    self.reader = reader
    self.pool = pool
  }

  func list(of payment: UniqueID, deadline: Instant) async throws(StoreTrouble) -> [StoredRefund] {
    try await pool.ask(deadline) { [reader] connection throws(DatabaseError) in
      try reader.list(of: payment, on: connection)
    }
  }

  /// Reads refunds for those that wait; blocks the calling thread.
  func load(_ ids: [UniqueID]) -> Result<RefundWaiters.Found, StoreTrouble> {
    let answer = Monitor<Result<RefundWaiters.Found, StoreTrouble>?>(nil)
    Task {
      let found = await find(ids)
      answer.update { $0 = found }
    }
    // The pool answers each call, at the latest when the statement's time is up.
    guard let answer = answer.wait({ $0 }) else { preconditionFailure("a wait without an end has an outcome") }
    return answer
  }

  /// Reads refunds.
  func find(_ ids: [UniqueID]) async -> Result<RefundWaiters.Found, StoreTrouble> {
    do throws(StoreTrouble) {
      let found = try await pool.ask(.now() + Self.loadTime) { [reader] connection throws(DatabaseError) in
        try reader.find(ids, on: connection)
      }
      return .success(found.mapValues { row in row.mapError { StoreTrouble($0) } })
    } catch {
      return .failure(error)
    }
  }
}
