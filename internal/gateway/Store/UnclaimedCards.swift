public import GatewayDomain
public import Postgres
public import Values

/// Card payments that nobody has claimed: the process that had the card's number ended before the processor knew of the
/// payment. Whoever sweeps them has them end as ERROR in processing; the result takes them off the list.
public struct UnclaimedCards: Sendable {
  private let find: Statement
  private let delete: Statement

  /// The cards of a schema.
  public init(_ tables: GatewayTables) {
    // Ids ascend with time: the first rows of the primary key are the oldest.
    find = Statement(
      """
      SELECT \(PaymentRow.columns) FROM (
        SELECT payment_id, at FROM \(tables.cardWaiting) ORDER BY payment_id LIMIT $2) w
      JOIN \(tables.payment) p ON p.id = w.payment_id
      WHERE w.at < clock_timestamp() - make_interval(secs => $1) ORDER BY p.id
      """, isReadOnly: true)
    delete = Statement("DELETE FROM \(tables.cardWaiting) WHERE payment_id = ANY ($1)")
  }

  /// The oldest ones that have waited so long, without a result of any kind.
  public func overdue(
    after timeout: Duration, limit: Int, on connection: Connection
  ) throws(DatabaseError) -> [GatewayPayment] {
    try connection.run(
      [Command(find, [.double(timeout.inSeconds), .int64(Int64(limit))]), ReplicationBarrier.command])[0].map {
        (row) throws(DatabaseError) in try PaymentRow.decode(row)
      }
  }

  /// Takes payments off the list that processing knows: their results are on the way, which may take long.
  public func forget(_ ids: [UniqueID], on connection: Connection) throws(DatabaseError) {
    try connection.run(Command(delete, [.uuidArray(ids)]))
  }
}
