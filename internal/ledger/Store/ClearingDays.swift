public import LedgerDomain
public import Money
public import Postgres
public import Values

/// What went through clearing on a day, in one currency: by the day of the charge or refund, whenever it was settled.
public struct ClearingDay: Sendable, Hashable {
  /// The day's beginning, in UTC.
  public let day: Timestamp
  /// The currency.
  public let currency: Currency
  /// How many charges.
  public let charges: Int
  /// What they sum up to, in minor units.
  public let charged: Int64
  /// How many refunds.
  public let refunds: Int
  /// What they sum up to, in minor units.
  public let refunded: Int64
  /// How many of both no statement has settled.
  public let openCount: Int
  /// What these sum up to: charges less refunds, in minor units.
  public let open: Int64
}

/// A transfer that clearing has on one side alone: through it and settled by no statement, or a settlement of what has
/// not gone through it.
public struct OneSidedTransfer: Sendable, Hashable {
  /// The transfer. `TransferID.payments` has the ids that its payment or refund may have.
  public let id: UniqueID
  /// When it was posted.
  public let at: Timestamp
  /// Above zero for charges, below for refunds.
  public let amount: Money
  /// Whether it is a settlement.
  public let isSettlement: Bool
}

/// Reads what clearing must still bring to zero: what the bank owes us or we owe the bank until a statement lists it.
///
/// A value that any thread may use.
public struct ClearingReader: Sendable {
  /// Reading a table as a whole.
  private static let timeout = Duration.seconds(600)

  private let days: Statement
  private let oneSided: Statement
  private let balances: Statement

  /// Clearing of these tables.
  public init(_ tables: LedgerTables = LedgerTables()) {
    let (account, delta, transfer) = (tables.account, tables.delta, tables.transfer)
    // What was put aside, and came back because the bank had never made the charge: neither went through.
    let neverMade = """
      EXISTS (SELECT FROM \(transfer) r JOIN \(account) c ON c.id = r.credit AND c.kind = 2
              WHERE r.id = \(Self.own("t.id", .release)))
      """
    // Holds that were posted, and movements at once; not settlements themselves, whose other side is the world. The id
    // of a settlement is that of its payment's transfer with another last digit.
    let through = """
      SELECT t.at, t.currency::text AS currency, t.id, CASE WHEN t.debit = a.id THEN t.amount ELSE -t.amount END AS amount,
             \(Self.own("coalesce(t.pending_id, t.id)", .settlement)) AS settlement
      FROM \(account) a JOIN \(transfer) t ON (t.debit = a.id OR t.credit = a.id)
      JOIN \(account) o ON o.id = CASE WHEN t.debit = a.id THEN t.credit ELSE t.debit END AND o.kind <> 5
      WHERE a.kind = 2 AND t.kind IN (1, 3) AND t.at >= $1 AND t.at < $2 AND NOT \(neverMade)
      """
    let open = "NOT EXISTS (SELECT FROM \(transfer) s WHERE s.id = x.settlement)"
    days = Statement(
      """
      SELECT date_trunc('day', x.at, 'UTC') AS day, x.currency,
             count(*) FILTER (WHERE x.amount > 0) AS charges,
             coalesce(sum(x.amount) FILTER (WHERE x.amount > 0), 0)::bigint AS charged,
             count(*) FILTER (WHERE x.amount < 0) AS refunds,
             coalesce(-sum(x.amount) FILTER (WHERE x.amount < 0), 0)::bigint AS refunded,
             count(*) FILTER (WHERE x.is_open) AS open_count,
             coalesce(sum(x.amount) FILTER (WHERE x.is_open), 0)::bigint AS open
      FROM (SELECT x.*, \(open) AS is_open FROM (\(through)) x) x
      GROUP BY 1, 2 ORDER BY 1, 2
      """, isReadOnly: true)
    // Of a payment there is its hold's post, or what was put aside.
    let moved = """
      EXISTS (SELECT FROM \(transfer) m WHERE m.kind = 3 AND m.id = \(Self.resolution(of: "t.id")))
        OR EXISTS (SELECT FROM \(transfer) m WHERE m.id = \(Self.own("t.id", .suspense))) AND NOT \(neverMade)
      """
    oneSided = Statement(
      """
      SELECT x.id, x.at, x.currency, x.amount, false AS is_settlement
      FROM (\(through)) x WHERE NOT $4 AND \(open)
      UNION ALL
      SELECT t.id, t.at, t.currency::text, CASE WHEN t.credit = a.id THEN t.amount ELSE -t.amount END, true
      FROM \(account) a JOIN \(transfer) t ON (t.debit = a.id OR t.credit = a.id)
      JOIN \(account) o ON o.id = CASE WHEN t.debit = a.id THEN t.credit ELSE t.debit END AND o.kind = 5
      WHERE a.kind = 2 AND t.kind = 1 AND t.at >= $1 AND t.at < $2 AND NOT (\(moved))
      ORDER BY at, id LIMIT $3
      """, isReadOnly: true)
    balances = Statement(
      """
      SELECT a.currency::text, a.kind, (a.posted + coalesce(sum(d.posted), 0))::bigint AS posted
      FROM \(account) a LEFT JOIN \(delta) d ON d.account = a.id WHERE a.kind IN (2, 4)
      GROUP BY a.id ORDER BY 1, 2
      """, isReadOnly: true)
  }

  /// The id of another step's transfer of the same payment, as SQL.
  private static func own(_ id: String, _ step: TransferID.Step) -> String {
    "overlay((\(id))::text PLACING '\(String(step.rawValue, radix: 16))' FROM 36)::uuid"
  }

  /// The id of the post of a payment's hold, as SQL.
  private static func resolution(of id: String) -> String {
    let digit = TransferID.resolution(of: UniqueID(high: 0, low: 0)).low
    return "overlay((\(id))::text PLACING '\(String(digit, radix: 16))' FROM 36)::uuid"
  }

  /// The days of a time on which something went through clearing.
  public func days(
    from: Timestamp, to: Timestamp, on connection: Connection
  ) throws(DatabaseError) -> [ClearingDay] {
    try connection.run(Command(days, [.timestamp(from), .timestamp(to)]), timeout: Self.timeout).map {
      (row) throws(DatabaseError) in
      ClearingDay(
        day: try row.timestamp(DayColumn.day), currency: try Self.currency(row.text(DayColumn.currency)),
        charges: try row.int(DayColumn.charges), charged: try row.int64(DayColumn.charged),
        refunds: try row.int(DayColumn.refunds), refunded: try row.int64(DayColumn.refunded),
        openCount: try row.int(DayColumn.openCount), open: try row.int64(DayColumn.open))
    }
  }

  /// What of a time is not settled, or is settled and has not gone through clearing, oldest first.
  public func oneSided(
    from: Timestamp, to: Timestamp, settlementsOnly: Bool = false, limit: Int, on connection: Connection
  ) throws(DatabaseError) -> [OneSidedTransfer] {
    let parameters: [Parameter] = [.timestamp(from), .timestamp(to), .int64(Int64(limit)), .bool(settlementsOnly)]
    return try connection.run(Command(oneSided, parameters), timeout: Self.timeout).map {
      (row) throws(DatabaseError) in
      OneSidedTransfer(
        id: try row.uuid(OneSidedColumn.id), at: try row.timestamp(OneSidedColumn.at),
        amount: Money(
          minorUnits: try row.int64(OneSidedColumn.amount), try Self.currency(row.text(OneSidedColumn.currency))),
        isSettlement: try row.bool(OneSidedColumn.isSettlement))
    }
  }

  /// What clearing and suspense have, by currency: both return to zero.
  public func balances(
    on connection: Connection
  ) throws(DatabaseError) -> [(currency: Currency, kind: LedgerAccount.Kind, posted: Int64)] {
    try connection.run(Command(balances)).map { (row) throws(DatabaseError) in
      guard let kind = LedgerAccount.Kind(rawValue: try row.int16(BalanceColumn.kind)) else {
        throw .content("an account has a kind that this version does not know")
      }
      return (try Self.currency(row.text(BalanceColumn.currency)), kind, try row.int64(BalanceColumn.posted))
    }
  }

  private static func currency(_ code: String) throws(DatabaseError) -> Currency {
    guard let currency = Currency(code) else { throw .content("a transfer has currency \(code)") }
    return currency
  }

  private enum DayColumn: Int, AnswerColumn {
    case day, currency, charges, charged, refunds, refunded, openCount, open
  }
  private enum OneSidedColumn: Int, AnswerColumn { case id, at, currency, amount, isSettlement }
  private enum BalanceColumn: Int, AnswerColumn { case currency, kind, posted }
}
