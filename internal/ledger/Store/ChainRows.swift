internal import LedgerDomain
internal import Postgres
internal import Values

/// Reads blocks, and transfers in the order of the chain.
struct ChainRows: Sendable {
  /// The transfers of some transactions, within a transaction of the connection.
  struct Wanted {
    /// The first transaction.
    var first: Int64
    /// The transaction before which they end.
    var end: Int64
    /// They are later.
    var laterThan: Timestamp
    /// They are not later than this; nil for all.
    var until: Timestamp?

    /// For statements that ask `tx >= $1 AND tx < $2 AND at > $3 AND at <= $4`.
    var parameters: [Parameter] {
      [
        .int64(first), .int64(end), .timestamp(laterThan), .timestamp((until ?? Timestamp(microseconds: .max)).clamped),
      ]
    }
  }

  /// How many transfers are fetched at a time.
  private static let page = 4_000
  /// For sorting what was not sealed for long.
  static let timeout = Duration.seconds(120)

  /// For a transaction: what is few is found by an index, whatever a plan of before or the statistics say of a table
  /// that grows at its end, and is not worth workers and compiled code.
  static let fewRows = Statement(
    """
    SELECT set_config('enable_seqscan', 'off', true), set_config('plan_cache_mode', 'force_custom_plan', true),
           set_config('jit', 'off', true)
    """)

  private let newest: Statement
  private let next: Statement
  private let declare: Statement
  private let fetch: Statement
  private let close: Statement

  init(_ tables: LedgerTables) {
    let columns = "number, first_tx, end_tx, later_than, last_at, transfers, hash, history"
    newest = Statement("SELECT \(columns) FROM \(tables.block) ORDER BY number DESC LIMIT 1", isReadOnly: true)
    next = Statement(
      "SELECT \(columns) FROM \(tables.block) WHERE number > $1 ORDER BY number LIMIT $2", isReadOnly: true)
    // A cursor: one transaction may have written any number of transfers.
    declare = Statement(
      """
      DECLARE chain NO SCROLL CURSOR FOR
      SELECT id, kind, debit, credit, amount, currency::text, pending_id, at, tx FROM \(tables.transfer)
      WHERE tx >= $1 AND tx < $2 AND at > $3 AND at <= $4 ORDER BY tx, id
      """)
    fetch = Statement("FETCH \(Self.page) FROM chain", isReadOnly: true)
    close = Statement("CLOSE chain", isReadOnly: true)
  }

  var findNewest: Command { Command(newest) }

  func blocks(after number: Int64, limit: Int, on connection: Connection) throws(DatabaseError) -> [ChainBlock] {
    try connection.run(Command(next, [.int64(number), .int64(Int64(limit))])).map { (row) throws(DatabaseError) in
      try Self.block(row)
    }
  }

  /// Hands over the transfers by transaction and id.
  func forEach(
    _ wanted: Wanted, on connection: Connection, _ body: (ChainedTransfer) throws(DatabaseError) -> Void
  ) throws(DatabaseError) {
    try connection.run(Command(declare, wanted.parameters), timeout: Self.timeout)
    while true {
      let rows = try connection.run(Command(fetch), timeout: Self.timeout)
      for row in rows { try body(try Self.transfer(row)) }
      if rows.count < Self.page { break }
    }
    try connection.run(Command(close))
  }

  // MARK: - Rows

  private enum BlockColumn: Int, AnswerColumn {
    case number, firstTx, endTx, laterThan, lastAt, transfers, hash, history
  }
  private enum TransferColumn: Int, AnswerColumn { case id, kind, debit, credit, amount, currency, pendingID, at, tx }

  static func block(_ row: Row) throws(DatabaseError) -> ChainBlock {
    let (first, end) = (try row.int64(BlockColumn.firstTx), try row.int64(BlockColumn.endTx))
    guard first < end else { throw .content("a block ends at \(end), before its first transaction \(first)") }
    return ChainBlock(
      number: try row.int64(BlockColumn.number), range: first..<end,
      laterThan: try row.timestamp(BlockColumn.laterThan),
      lastAt: try row.timestamp(BlockColumn.lastAt), count: try row.int64(BlockColumn.transfers),
      hash: try row.bytes(BlockColumn.hash), history: try row.int64(BlockColumn.history))
  }

  private static func transfer(_ row: Row) throws(DatabaseError) -> ChainedTransfer {
    ChainedTransfer(
      id: try row.uuid(TransferColumn.id), kind: try row.int16(TransferColumn.kind),
      debit: try row.uuid(TransferColumn.debit), credit: try row.uuid(TransferColumn.credit),
      amount: try row.int64(TransferColumn.amount), currency: try row.text(TransferColumn.currency),
      pendingID: try row.optionalUUID(TransferColumn.pendingID), at: try row.timestamp(TransferColumn.at),
      transaction: try row.int64(TransferColumn.tx))
  }
}
