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
    /// Older payments belong to the pages only if their state began after the moment of this id. nil: as `from`.
    let start: UniqueID?
    /// Older payments that belong to the pages as well, if they are the user's.
    let open: [UniqueID]

    /// A page that is wanted.
    public init(user: UniqueID?, from: UniqueID?, start: UniqueID? = nil, open: [UniqueID]) {
      self.user = user
      self.from = from
      self.start = start
      self.open = open
    }

    /// Whether more rows may be looked at than are shown.
    var looksFurther: Bool {
      guard let from, let start else { return false }
      return from < start
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
  /// Payments before `start` that are looked at for states that began later, newest first.
  public static let olderLimit = 10_000

  /// After the columns of `PaymentRow`.
  private enum PlaceColumn: Int, AnswerColumn { case place = 23 }

  private let since: Statement
  private let newest: Statement
  private let newestOfAll: Statement

  init(_ t: GatewayTables) {
    since = Statement(Self.since(t), isReadOnly: true)
    newest = Statement(Self.newest(t), isReadOnly: true)
    newestOfAll = Statement(
      "SELECT \(PaymentRow.columns) FROM \(t.allPayment) p ORDER BY p.id DESC LIMIT $1", isReadOnly: true)
  }

  /// `$1` users, `$2` the rows of each.
  private static func newest(_ t: GatewayTables) -> String {
    """
    SELECT \(PaymentRow.columns), u.place
    FROM unnest($1::uuid[]) WITH ORDINALITY u(user_id, place)
    CROSS JOIN LATERAL (
      SELECT * FROM \(t.allPayment) WHERE user_id = u.user_id ORDER BY id DESC LIMIT $2::bigint) p
    ORDER BY u.place, p.id
    """
  }

  /// `$1` users, `$2` the rows of each, `$3` first payments, `$4` starts, and `$5` their moments. No index has the
  /// moment of a state, since that would make results costly: a bounded number of rows is looked at for it.
  private static func since(_ t: GatewayTables) -> String {
    """
    SELECT \(PaymentRow.columns), u.place
    FROM unnest($1::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[])
      WITH ORDINALITY u(user_id, first, start, moment, place)
    CROSS JOIN LATERAL (
      (SELECT o.* FROM (
         SELECT * FROM \(t.allPayment) WHERE user_id = u.user_id AND id >= u.first AND id < u.start
         ORDER BY id DESC LIMIT \(olderLimit)) o
       WHERE o.since >= u.moment ORDER BY o.id LIMIT $2::bigint)
      UNION ALL
      (SELECT * FROM \(t.allPayment) WHERE user_id = u.user_id AND id >= greatest(u.first, u.start)
       ORDER BY id LIMIT $2::bigint)
      ORDER BY id LIMIT $2::bigint) p
    ORDER BY u.place, p.id
    """
  }

  /// Reads pages; a wanted one gets a page in its place. `open` is left to the caller.
  func read(_ wanted: [Wanted], on connection: Connection) throws(DatabaseError) -> [Page] {
    var pages = wanted.map { _ in Page() }
    let users = wanted.indices.filter { wanted[$0].user != nil }
    let (going, beginning) = (users.filter { wanted[$0].from != nil }, users.filter { wanted[$0].from == nil })
    // One row more than a page tells whether there is another.
    let firsts = going.compactMap { wanted[$0].from }
    let starts = zip(going, firsts).map { wanted[$0].start ?? $1 }
    try read(
      since, going, of: wanted, limit: Self.pageSize + 1, size: Self.pageSize,
      [.uuidArray(firsts), .uuidArray(starts), .timestampArray(starts.map(\.moment))], into: &pages, on: connection)
    try read(newest, beginning, of: wanted, limit: Self.newest, size: Self.newest, [], into: &pages, on: connection)
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
    _ statement: Statement, _ places: [Int], of wanted: [Wanted], limit: Int, size: Int, _ others: [Parameter],
    into pages: inout [Page], on connection: Connection
  ) throws(DatabaseError) {
    guard !places.isEmpty else { return }
    let users = places.compactMap { wanted[$0].user }
    let command = Command(statement, [.uuidArray(users), .int64(Int64(limit))] + others)
    for row in try connection.run([command, ReplicationBarrier.command])[0] {
      try pages[places[row.int(PlaceColumn.place) - 1]].add(row, size: size)
    }
  }
}

extension UserPages.Wanted {
  /// The page with the older payments that are open; others than the user's are none of its.
  func with(_ older: FoundPayments, before page: UserPages.Page) -> UserPages.Page {
    var whole = UserPages.Page([], next: page.next)
    // Those whose state has begun meanwhile may be among both; the page was read later.
    let known = Set(page.payments.map(\.id))
    for id in open where !known.contains(id) {
      // Others come with the pages after it.
      if let next = page.next, id >= next { continue }
      switch older[id] {
      case .success(let payment) where payment.userID != user: continue
      case let row?: whole.add(row)
      case nil: continue
      }
    }
    whole.payments += page.payments
    whole.payments.sort { $0.id < $1.id }
    whole.unreadable += page.unreadable
    return whole
  }
}
