internal import DirectDomain
public import GatewayDomain
public import Postgres
public import UserNames
public import Values

/// What the transactions surface needs of the tables besides payments: the numbers of its users, and lists.
public struct TransactionStore: Sendable {
  private let findUser: Statement
  private let addUser: Statement
  private let list: Statement

  /// The tables of a schema.
  public init(_ t: GatewayTables) {
    findUser = Statement("SELECT number FROM \(t.transactionUser) WHERE name = $1", isReadOnly: true)
    addUser = Statement("INSERT INTO \(t.transactionUser) (name) VALUES ($1) ON CONFLICT DO NOTHING")
    list = Statement(
      """
      SELECT \(PaymentRow.columns) FROM \(t.allPayment) p
      WHERE p.user_id = $1 AND p.id < $2 AND p.surface = 'transactions' ORDER BY p.id DESC LIMIT $3
      """, isReadOnly: true)
  }

  /// The number of a user, who gets one the first time.
  public func number(of user: UserName, on connection: Connection) throws(DatabaseError) -> Int64 {
    let find = Command(findUser, [.text(user.text)])
    // Looked at first: an INSERT that meets a row uses a number up all the same.
    if let row = try connection.run(find).first { return try row.int64(0) }
    let answers = try connection.run([Command(addUser, [.text(user.text)]), find])
    guard let row = answers[1].first else { throw .content("a user was not added") }
    return try row.int64(0)
  }

  /// Payments of a user on this surface, newest first.
  /// - Parameters:
  ///   - before: the last payment of the page before; nil for the first page.
  ///   - limit: the most payments.
  public func payments(
    of user: UserName, before: UniqueID?, limit: Int, on connection: Connection
  ) throws(DatabaseError) -> [GatewayPayment] {
    let end = before ?? UniqueID(high: .max, low: .max)
    let command = Command(list, [.uuid(user.userID), .uuid(end), .int64(Int64(limit))])
    var payments: [GatewayPayment] = []
    // One row that cannot be read keeps nobody from the others.
    for row in try connection.run([command, ReplicationBarrier.command])[0] {
      if case .success(let payment) = try PaymentRow.read(row).payment { payments.append(payment) }
    }
    return payments
  }
}
