public import LedgerDomain
public import Postgres
public import Values

/// Reads the chain from its first block to its last, and makes every hash again.
///
/// A value that any thread may use. It may run beside working programs: what is sealed does not change. Each snapshot
/// is a short one, and the memory does not grow with the tables.
public struct ChainVerifier: Sendable {
  /// A hash that somebody has kept outside of the database.
  public struct Head: Sendable, Hashable, CustomStringConvertible {
    /// The block's number, from 1.
    public let number: Int64
    /// Its hash, 32 bytes.
    public let hash: [UInt8]

    /// The head of a chain that ends with the block.
    public init(_ block: ChainBlock) { (number, hash) = (block.number, block.hash) }

    /// Reads what `description` writes, in upper or lower case; nil for anything else.
    public init?(_ text: String) {
      let parts = text.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count == 2, let number = Int64(parts[0]), number > 0, parts[1].utf8.count == 64 else { return nil }
      let digits = parts[1].compactMap { $0.isASCII ? $0.hexDigitValue : nil }
      guard digits.count == 64 else { return nil }
      self.number = number
      hash = stride(from: 0, to: 64, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    /// `NUMBER:HASH`, the hash in hexadecimal digits.
    public var description: String { "\(number):\(String(decoding: hash.flatMap(Self.digits), as: UTF8.self))" }

    private static func digits(_ byte: UInt8) -> [UInt8] {
      [byte >> 4, byte & 0xF].map { $0 < 10 ? UInt8(ascii: "0") + $0 : UInt8(ascii: "a") - 10 + $0 }
    }
  }

  /// What was found.
  public struct Report: Sendable, Hashable {
    /// Blocks whose hashes are right.
    public fileprivate(set) var blocks: Int64 = 0
    /// The transfers in them.
    public fileprivate(set) var transfers: Int64 = 0
    /// The last of them.
    public fileprivate(set) var head: Head?
    /// The first block that is not what it was when it was sealed, and how it differs; nil when there is none.
    public fileprivate(set) var difference: String?
  }

  /// Blocks that are read together: so many transfers, or so many blocks.
  private static let group = (transfers: Int64(20_000), blocks: 2_000)

  private let rows: ChainRows
  private let turns: Statement
  private let strays: Statement
  private let days: Statement

  /// Verifies the chain in these tables.
  public init(_ tables: LedgerTables = LedgerTables()) {
    rows = ChainRows(tables)
    turns = Statement(
      "SELECT DISTINCT later_than FROM \(tables.block) ORDER BY later_than", isReadOnly: true)
    strays = Statement(
      "SELECT count(*) AS count FROM \(tables.transfer) WHERE tx >= $1 AND at > $2 AND at <= $3", isReadOnly: true)
    days = Statement(
      """
      WITH head AS (SELECT end_tx, later_than FROM \(tables.block) ORDER BY number DESC LIMIT 1),
      sealed AS (
        SELECT (at AT TIME ZONE 'UTC')::date AS day, kind, debit, credit, amount, pending_id
        FROM \(tables.transfer), head WHERE tx < end_tx OR at <= later_than),
      changes AS (\(EntrySums.changes(of: "sealed", "day", holds: tables.transfer))),
      told AS (SELECT account, day, sum(posted) AS posted, sum(pending) AS pending FROM changes GROUP BY account, day)
      SELECT account, day::text FROM told t FULL JOIN \(tables.accountDay) d USING (account, day)
      WHERE coalesce(t.posted, 0) <> coalesce(d.posted, 0) OR coalesce(t.pending, 0) <> coalesce(d.pending, 0)
      ORDER BY day, account LIMIT $1
      """, isReadOnly: true)
  }

  /// - Parameters:
  ///   - expected: a head that the chain once had; nil where none was kept.
  ///   - onPage: told how many more transfers were read; what it throws ends the verification.
  /// - Throws: `DatabaseError`.
  public func run(
    expecting expected: Head? = nil, on connection: Connection, onPage: (Int) throws -> Void
  ) throws -> Report {
    let turns = try connection.run(Command(turns)).map { (row) throws(DatabaseError) in try row.timestamp(0) }
    var report = Report()
    var previous: ChainBlock?
    var isFound = expected == nil
    while report.difference == nil {
      let blocks = try rows.blocks(after: previous?.number ?? 0, limit: Self.group.blocks, on: connection)
      if blocks.isEmpty { break }
      for group in Self.groups(blocks) where report.difference == nil {
        let until = turns.first { $0 > group[0].laterThan }
        if let last = previous, last.laterThan != group[0].laterThan {
          report.difference = try stray(after: last, until: group[0].laterThan, on: connection)
        }
        if report.difference == nil {
          try verify(group, until: until, after: &previous, &report, on: connection)
          try onPage(group.reduce(0) { $0 + Int($1.count) })
        }
        if let expected, let block = group.first(where: { $0.number == expected.number }) {
          isFound = true
          if block.hash != expected.hash, report.difference == nil {
            report.difference = "block \(block.number) has another hash than the one that was kept"
          }
        }
      }
    }
    if let expected, !isFound, report.difference == nil {
      report.difference = "block \(expected.number) is not there; the last one is \(previous?.number ?? 0)"
    }
    return report
  }

  /// The days that are not the sums of their sealed transfers, the oldest first. Reads all transfers, in one snapshot.
  /// - Parameter limit: the most.
  public func wrongDays(
    limit: Int, on connection: Connection, timeout: Duration
  ) throws(DatabaseError) -> [(account: UniqueID, day: String)] {
    try connection.run(Command(days, [.int64(Int64(limit))]), timeout: timeout).map { (row) throws(DatabaseError) in
      (try row.uuid(DayColumn.account), try row.text(DayColumn.day))
    }
  }

  private enum DayColumn: Int, AnswerColumn { case account, day }

  /// Blocks that one cursor can read: of one numbering of transactions.
  private static func groups(_ blocks: [ChainBlock]) -> [[ChainBlock]] {
    var groups: [[ChainBlock]] = []
    var size: Int64 = 0
    for block in blocks {
      if let last = groups.last?.last, size < group.transfers, block.follows(last), block.laterThan == last.laterThan {
        groups[groups.count - 1].append(block)
      } else {
        groups.append([block])
        size = 0
      }
      size = size.adding(saturating: block.count)
    }
    return groups
  }

  // MARK: - Blocks

  private func verify(
    _ blocks: [ChainBlock], until: Timestamp?, after previous: inout ChainBlock?, _ report: inout Report,
    on connection: Connection
  ) throws(DatabaseError) {
    guard blocks[0].follows(previous) else {
      report.difference = Self.gap(blocks[0], after: previous)
      return
    }
    var check = Check(blocks, after: previous, report)
    let wanted = ChainRows.Wanted(
      first: blocks[0].range.lowerBound, end: blocks[blocks.count - 1].range.upperBound,
      laterThan: blocks[0].laterThan, until: until)
    try connection.rollingBack { () throws(DatabaseError) in
      try connection.run([.beginSnapshot, Command(ChainRows.fewRows)])
      try rows.forEach(wanted, on: connection) { (transfer) throws(DatabaseError) in check.take(transfer) }
      try connection.run(.commit)
    }
    check.end()
    previous = check.previous
    report = check.report
  }

  private static func gap(_ block: ChainBlock, after previous: ChainBlock?) -> String {
    guard let previous else { return "block \(block.number) is the first one, expected block 1 from transaction 0 on" }
    return "block \(previous.number) ends before transaction \(previous.range.upperBound), and block \(block.number) "
      + "begins at \(block.range.lowerBound): a block between them is gone, or one was changed"
  }

  /// Makes the hashes of blocks that follow each other, from their transfers in order.
  private struct Check: ~Copyable {
    private let blocks: [ChainBlock]
    private var place = 0
    private var builder = BlockBuilder()
    var previous: ChainBlock?
    var report: Report

    init(_ blocks: [ChainBlock], after previous: ChainBlock?, _ report: Report) {
      self.blocks = blocks
      self.previous = previous
      self.report = report
    }

    mutating func take(_ transfer: ChainedTransfer) {
      while place < blocks.count, transfer.transaction >= blocks[place].range.upperBound { compare() }
      builder.add(transfer)
    }

    mutating func end() {
      while place < blocks.count { compare() }
    }

    private mutating func compare() {
      let sealed = blocks[place]
      place += 1
      let found = builder.finish(
        sealed.range, laterThan: sealed.laterThan, history: sealed.history, after: previous)
      guard report.difference == nil else { return }
      guard found == sealed else {
        report.difference = Self.difference(found, sealed)
        return
      }
      previous = sealed
      report.blocks += 1
      report.transfers += sealed.count
      report.head = Head(sealed)
    }

    private static func difference(_ found: ChainBlock, _ sealed: ChainBlock) -> String {
      let range = "transactions \(sealed.range.lowerBound) to \(sealed.range.upperBound - 1)"
      guard found.count == sealed.count else {
        return "block \(sealed.number) has \(found.count) transfers (\(range)), sealed were \(sealed.count)"
      }
      return
        "block \(sealed.number) is not what was sealed: of its \(sealed.count) transfers (\(range)) one was changed, "
        + "or its row was"
    }
  }

  /// What is in no block although its numbering of transactions has ended.
  private func stray(
    after last: ChainBlock, until turn: Timestamp, on connection: Connection
  ) throws(DatabaseError) -> String? {
    let parameters: [Parameter] = [.int64(last.range.upperBound), .timestamp(last.laterThan), .timestamp(turn)]
    let count = try connection.run(Command(strays, parameters), timeout: ChainRows.timeout).only.int64(0)
    guard count > 0 else { return nil }
    return "\(count) transfers are in no block, and are older than block \(last.number + 1)"
  }
}
