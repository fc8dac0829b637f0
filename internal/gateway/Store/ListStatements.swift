internal import DirectDomain
internal import GatewayDomain
internal import Postgres
internal import Values

/// Lists of payments. One index leads to the rows, newest first, and bounds how many are looked at; what else the
/// filter says is asked of these rows only. Live and archived payments are merged as they are read, so that a page that
/// is full of live ones reads few of the archive.
struct ListStatements: Sendable {
  /// What leads to the rows.
  private enum Lead: CaseIterable {
    case order, external, user, all

    init(_ filter: PaymentFilter) {
      self = filter.orderID != nil ? .order : filter.externalID != nil ? .external : filter.userID != nil ? .user : .all
    }

    /// Of `$3` order, `$4` external id and `$5` user.
    var condition: String {
      switch self {
      case .order: "order_id = $3::bigint"
      case .external: "external_id = $4::text"
      case .user: "user_id = $5::uuid"
      case .all: "true"
      }
    }

    /// What is left to ask; the types of all parameters are needed in every statement.
    var others: String {
      [
        self == .order ? nil : "($3::bigint IS NULL OR s.order_id = $3::bigint)",
        self == .external ? nil : "($4::text IS NULL OR s.external_id = $4::text)",
        self == .user ? nil : "($5::uuid IS NULL OR s.user_id = $5::uuid)",
        "($6::text IS NULL OR s.state = $6::text)",
      ].compactMap(\.self).joined(separator: " AND ")
    }
  }

  /// After the columns of `PaymentRow`.
  private enum BoundColumn: Int, AnswerColumn {
    case last = 23
    case scanned
  }

  private let statements: [Lead: Statement]

  init(_ t: GatewayTables) {
    let made = Lead.allCases.map { ($0, Statement(Self.list(t, $0), isReadOnly: true)) }
    statements = Dictionary(uniqueKeysWithValues: made)
  }

  /// `$1` and `$2` bound the ids, `$7` the rows that are looked at, `$8` those that are shown, and one more. There is
  /// always a row, which has the bounds.
  private static func list(_ t: GatewayTables, _ lead: Lead) -> String {
    """
    WITH scanned AS MATERIALIZED (
      SELECT * FROM \(t.allPayment)
      WHERE \(lead.condition) AND id >= $1::uuid AND id < $2::uuid ORDER BY id DESC LIMIT $7::bigint),
    bounds AS (SELECT (SELECT id FROM scanned ORDER BY id LIMIT 1) AS last, (SELECT count(*) FROM scanned) AS scanned)
    SELECT \(PaymentRow.columns), b.last, b.scanned
    FROM bounds b LEFT JOIN LATERAL (
      SELECT * FROM scanned s WHERE \(lead.others) ORDER BY s.id DESC LIMIT $8::bigint) p ON true
    ORDER BY p.id DESC
    """
  }

  /// Whether more rows may be looked at than are shown.
  func looksFurther(_ filter: PaymentFilter) -> Bool {
    let asked = [filter.orderID != nil, filter.externalID != nil, filter.userID != nil, filter.state != nil]
    return asked.count(where: \.self) > (Lead(filter) == .all ? 0 : 1)
  }

  func command(_ filter: PaymentFilter) -> Command {
    let ids = filter.ids
    guard let statement = statements[Lead(filter)] else { preconditionFailure("every lead has a statement") }
    return Command(
      statement,
      [
        .uuid(ids.first ?? UniqueID(high: 0, low: 0)), .uuid(ids.end ?? UniqueID(high: .max, low: .max)),
        filter.orderID.map { .int64($0) } ?? .typedNull(.int64), .textOrNull(filter.externalID),
        filter.userID.map { .uuid($0) } ?? .typedNull(.uuid), .textOrNull(filter.state?.rawValue),
        .int64(Int64(scan(filter))), .int64(Int64(filter.limit) + 1),
      ])
  }

  /// One row more than is shown tells whether there is another page.
  private func scan(_ filter: PaymentFilter) -> Int {
    looksFurther(filter) ? PaymentReader.scanLimit : filter.limit + 1
  }

  func page(_ rows: Rows, _ filter: PaymentFilter) throws(DatabaseError) -> PaymentPage {
    var found: [(id: UniqueID, payment: Result<GatewayPayment, GatewayStoreError>)] = []
    for row in rows where !PaymentRow.isMissing(row) { found.append(try PaymentRow.read(row)) }
    let hasMore = found.count > filter.limit
    if hasMore { found.removeLast(found.count - filter.limit) }
    let next = hasMore ? found.last?.id : try bound(rows, filter)
    var unreadable: [GatewayStoreError] = []
    let payments = found.compactMap { found -> GatewayPayment? in
      switch found.payment {
      case .success(let payment): return payment
      case .failure(let error):
        unreadable.append(error)
        return nil
      }
    }
    return PaymentPage(payments: payments, unreadable: unreadable, next: next.map { PaymentCursor($0) })
  }

  /// Where to go on when more rows may be left than were looked at.
  private func bound(_ rows: Rows, _ filter: PaymentFilter) throws(DatabaseError) -> UniqueID? {
    let isCut = try rows[0].int(BoundColumn.scanned) == scan(filter)
    return isCut ? try rows[0].optionalUUID(BoundColumn.last) : nil
  }
}
