public import GatewayDomain
internal import Postgres
public import Values

/// Pages of the payments of many users, oldest first, for streams that begin or go on.
public struct UserPages: Sendable {
  /// A page that is wanted.
  public struct Wanted: Sendable {
    /// Whose payments; nil for everybody's, of which there are only the newest.
    let user: UniqueID?
    /// The first payment; nil for the newest ones.
    let from: UniqueID?
    /// Older payments that belong to the page as well, if they are the user's.
    let open: [UniqueID]

    /// A page that is wanted.
    public init(user: UniqueID?, from: UniqueID?, open: [UniqueID]) {
      self.user = user
      self.from = from
      self.open = open
    }
  }

  /// A page.
  public struct Page: Sendable {
    /// Ascending.
    public var payments: [GatewayPayment] = []
    /// Why rows among them are left out: they are not as this version expects.
    public var unreadable: [GatewayStoreError] = []
    /// The first payment of the next page; nil after the last, and after the newest ones.
    public var next: UniqueID?

    /// No payments.
    public init() {}

    /// A page as it was read.
    public init(_ payments: [GatewayPayment], next: UniqueID?) {
      self.payments = payments
      self.next = next
    }

    /// Rows that were read, those of `unreadable` included.
    private var rows = 0

    /// Takes the row that follows.
    /// - Parameter size: of a page; the row after it begins the next.
    mutating func add(_ row: Row, size: Int) throws(DatabaseError) {
      let (id, payment) = try PaymentRow.read(row)
      rows += 1
      guard rows <= size else {
        next = id
        return
      }
      add(payment)
    }

    mutating func add(_ payment: Result<GatewayPayment, GatewayStoreError>) {
      switch payment {
      case .success(let payment): payments.append(payment)
      case .failure(let error): unreadable.append(error)
      }
    }
  }

  /// The newest payments that a stream begins with.
  public static let newest = 100
  /// Payments of a page.
  static let pageSize = 50

  /// After the columns of `PaymentRow`.
  private enum PlaceColumn: Int, AnswerColumn { case place = 23 }

  private let since: Statement
  private let newest: Statement
  private let newestOfAll: Statement

  init(_ t: GatewayTables) {
    since = Statement(Self.pages(t, "id >= u.first", order: "id"), isReadOnly: true)
    newest = Statement(Self.pages(t, "true", order: "id DESC"), isReadOnly: true)
    newestOfAll = Statement(
      "SELECT \(PaymentRow.columns) FROM \(t.allPayment) p ORDER BY p.id DESC LIMIT $1", isReadOnly: true)
  }

  /// `$1` users, `$2` first payments, `$3` the rows of each.
  private static func pages(_ t: GatewayTables, _ condition: String, order: String) -> String {
    """
    SELECT \(PaymentRow.columns), u.place
    FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY u(user_id, first, place)
    CROSS JOIN LATERAL (
      SELECT * FROM \(t.allPayment) WHERE user_id = u.user_id AND \(condition) ORDER BY \(order) LIMIT $3::bigint) p
    ORDER BY u.place, p.id
    """
  }

  /// Reads pages; a wanted one gets a page in its place. `open` is left to the caller.
  func read(_ wanted: [Wanted], on connection: Connection) throws(DatabaseError) -> [Page] {
    var pages = wanted.map { _ in Page() }
    let users = wanted.indices.filter { wanted[$0].user != nil }
    let (going, beginning) = (users.filter { wanted[$0].from != nil }, users.filter { wanted[$0].from == nil })
    // One row more than a page tells whether there is another.
    try read(since, going, of: wanted, limit: Self.pageSize + 1, size: Self.pageSize, into: &pages, on: connection)
    try read(newest, beginning, of: wanted, limit: Self.newest, size: Self.newest, into: &pages, on: connection)
    if wanted.contains(where: { $0.user == nil }) {
      var all = Page()
      let command = Command(newestOfAll, [.int64(Int64(Self.newest))])
      for row in try connection.run([command, ReplicationBarrier.command])[0] { try all.add(row, size: Self.newest) }
      all.payments.reverse()
      for index in wanted.indices where wanted[index].user == nil { pages[index] = all }
    }
    return pages
  }

  private func read(
    _ statement: Statement, _ places: [Int], of wanted: [Wanted], limit: Int, size: Int, into pages: inout [Page],
    on connection: Connection
  ) throws(DatabaseError) {
    guard !places.isEmpty else { return }
    let lowest = UniqueID(high: 0, low: 0)
    let command = Command(
      statement,
      [
        .uuidArray(places.map { wanted[$0].user ?? lowest }), .uuidArray(places.map { wanted[$0].from ?? lowest }),
        .int64(Int64(limit)),
      ])
    for row in try connection.run([command, ReplicationBarrier.command])[0] {
      try pages[places[row.int(PlaceColumn.place) - 1]].add(row, size: size)
    }
  }
}

extension UserPages.Wanted {
  /// The page with the older payments in front; others than the user's are none of its.
  func with(_ older: FoundPayments, before page: UserPages.Page) -> UserPages.Page {
    var whole = UserPages.Page([], next: page.next)
    for id in open.sorted() {
      switch older[id] {
      case .success(let payment) where payment.userID != user: continue
      case let row?: whole.add(row)
      case nil: continue
      }
    }
    whole.payments += page.payments
    whole.unreadable += page.unreadable
    return whole
  }
}
