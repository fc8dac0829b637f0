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
        SELECT payment_id, at FROM \(tables.cardWaiting) WHERE payment_id > $3 ORDER BY payment_id LIMIT $2) w
      JOIN \(tables.payment) p ON p.id = w.payment_id
      WHERE w.at < clock_timestamp() - make_interval(secs => $1) ORDER BY p.id
      """, isReadOnly: true)
    delete = Statement("DELETE FROM \(tables.cardWaiting) WHERE payment_id = ANY ($1)")
  }

  /// The oldest ones that have waited so long, without a result of any kind, by ascending id.
  /// - Parameter last: the last one that the look before has seen; nil to begin with the oldest.
  public func overdue(
    after timeout: Duration, behind last: UniqueID? = nil, limit: Int, on connection: Connection
  ) throws(DatabaseError) -> [(id: UniqueID, payment: Result<GatewayPayment, GatewayStoreError>)] {
    try connection.run(
      [
        Command(
          find, [.double(timeout.inSeconds), .int64(Int64(limit)), .uuid(last ?? UniqueID(high: 0, low: 0))]),
        ReplicationBarrier.command,
      ])[0].map {
        (row) throws(DatabaseError) in try PaymentRow.read(row)
      }
  }

  /// Takes payments off the list that processing knows: their results are on the way, which may take long.
  public func forget(_ ids: [UniqueID], on connection: Connection) throws(DatabaseError) {
    try connection.run(Command(delete, [.uuidArray(ids)]))
  }
}
