internal import GatewayAPI
internal import Postgres
internal import ProcessingStore
internal import Values

/// What happened to payments, in processing's database, on the connections of a pool.
struct PooledTrails: TrailKeeping {
  private let trails = PaymentTrails()
  private let pool: ConnectionPool

  init(_ pool: ConnectionPool) { self.pool = pool }

  func trail(of id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> PaymentTrail {
    try await pool.ask(deadline) { [trails] connection throws(DatabaseError) in try trails.find(id, on: connection) }
  }
}
