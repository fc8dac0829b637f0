internal import DirectDomain
public import GatewayDomain
internal import Money
public import Outbox
public import Postgres
internal import Values

/// What became of something that was to be added on the demo surface.
public enum DemoAdded: Sendable, Hashable {
  /// It is there now.
  case new
  /// The same was there.
  case same
  /// Something else has this id.
  case differs
  /// A request names a user that is not there.
  case unknownUser
  /// A request names a payment method that is not there.
  case unknownMethod
}

/// Users, payment methods and payment requests of the demo surface in their tables. A request commits with its message
/// for risk and its message for readers.
public struct DemoStore: Sendable {
  /// The CloudEvents type of what readers are told of a request.
  static let eventType = "paysaga.surface.payment_request"

  private let outbox: OutboxWriter
  private let scoringTopic: String
  private let topic: String
  private let users: Table
  private let methods: Table
  private let requests: Table

  /// The statements on a table.
  private struct Table {
    let add: Statement
    let find: Statement
    let list: Statement

    init(_ name: String, columns: String, insert: String) {
      add = Statement("INSERT INTO \(name) \(insert) ON CONFLICT DO NOTHING RETURNING created_at")
      find = Statement("SELECT \(columns), r.created_at FROM \(name) r WHERE r.id = $1", isReadOnly: true)
      list = Statement(
        """
        SELECT \(columns), r.created_at FROM \(name) r WHERE (r.created_at, r.id) > ($1, $2)
        ORDER BY r.created_at, r.id LIMIT $3
        """, isReadOnly: true)
    }
  }

  /// - Parameters:
  ///   - scoringTopic: where risk reads requests.
  ///   - topic: where everybody else reads them.
  public init(_ t: GatewayTables, outbox: OutboxWriter, scoringTopic: String, topic: String) {
    self.outbox = outbox
    self.scoringTopic = scoringTopic
    self.topic = topic
    users = Table(
      t.demoUser, columns: "r.id, r.first_name, r.last_name",
      insert: "(id, first_name, last_name) VALUES ($1, $2, $3)")
    methods = Table(t.demoMethod, columns: "r.id, r.name", insert: "(id, name) VALUES ($1, $2)")
    requests = Table(
      t.demoRequest,
      columns: "r.id, r.user_id, r.payee_id, r.payment_method_id AS method_id, r.amount::text, r.currency::text",
      insert: """
        (id, user_id, payee_id, payment_method_id, amount, currency)
        VALUES ($1, $2, $3, $4, $5::text::numeric, $6)
        """)
  }

  // MARK: - Adding

  /// Adds a user, unless the id is somebody's.
  public func add(_ user: DemoUser, on connection: Connection) throws(DatabaseError) -> DemoAdded {
    let add = Command(users.add, [.uuid(user.id), .textOrNull(user.firstName), .textOrNull(user.lastName)])
    if try !connection.run(add).isEmpty { return .new }
    // A statement of its own: the snapshot of the INSERT has nothing of what it waited for. Nobody deletes rows.
    let found = try connection.run([Command(users.find, [.uuid(user.id)]), ReplicationBarrier.command])[0]
    return try found.first?.user.record == user ? .same : .differs
  }

  /// Adds a payment method, unless the id is another's.
  public func add(_ method: DemoMethod, on connection: Connection) throws(DatabaseError) -> DemoAdded {
    let add = Command(methods.add, [.uuid(method.id), .textOrNull(method.name)])
    if try !connection.run(add).isEmpty { return .new }
    let found = try connection.run([Command(methods.find, [.uuid(method.id)]), ReplicationBarrier.command])[0]
    return try found.first?.method.record == method ? .same : .differs
  }

  /// Adds a request with its messages, unless the id is another's.
  /// - Parameter checksIDs: whether user and payment method must be there.
  public func add(
    _ request: DemoRequest, checksIDs: Bool, traceparent: String?, on connection: Connection
  ) throws(DatabaseError) -> DemoAdded {
    try connection.rollingBack { () throws(DatabaseError) in
      let checks =
        checksIDs
        ? [Command(users.find, [.uuid(request.userID)]), Command(methods.find, [.uuid(request.methodID)])] : []
      let answers = try connection.run([.begin] + checks + [add(request)])
      for (missing, rows) in zip([DemoAdded.unknownUser, .unknownMethod], answers[1..<1 + checks.count])
      where rows.isEmpty {
        try connection.run(.rollback)
        return missing
      }
      // A row: it was inserted.
      guard answers[1 + checks.count].isEmpty else {
        try connection.run([outbox.insert(events(request, traceparent)), .commit])
        return .new
      }
      let found = try connection.run([
        Command(requests.find, [.uuid(request.id)]), ReplicationBarrier.command, .commit,
      ])[0]
      return try found.first?.request.record == request ? .same : .differs
    }
  }

  private func add(_ request: DemoRequest) -> Command {
    Command(
      requests.add,
      [
        .uuid(request.id), .uuid(request.userID), .uuid(request.payeeID), .uuid(request.methodID),
        .text(request.amount.text), .text(request.currency.code),
      ])
  }

  /// For risk first. The key is none that a payment has: callers choose the ids of requests.
  private func events(_ request: DemoRequest, _ traceparent: String?) -> [NewEvent] {
    let messages = [
      (scoringTopic, ScoringRequest.eventType, request.scoring.payload()),
      (topic, Self.eventType, JSONWriter.object(reserving: 320) { request.add(to: &$0) }),
    ]
    return zip(messages, 1...).map { message, sequence in
      NewEvent(
        eventID: .random(), key: "request:\(request.id)", sequence: sequence, topic: message.0, payload: message.2,
        type: message.1, source: PaymentIntake.eventSource, traceparent: traceparent)
    }
  }

  // MARK: - Lists

  /// Users, oldest first, one more than the page has when there are more.
  public func users(_ page: DemoPage, on connection: Connection) throws(DatabaseError) -> [DemoRow<DemoUser>] {
    try list(users, page, on: connection).map { (row) throws(DatabaseError) in try row.user }
  }

  /// Payment methods, oldest first, one more than the page has when there are more.
  public func methods(_ page: DemoPage, on connection: Connection) throws(DatabaseError) -> [DemoRow<DemoMethod>] {
    try list(methods, page, on: connection).map { (row) throws(DatabaseError) in try row.method }
  }

  /// Payment requests, oldest first, one more than the page has when there are more.
  public func requests(_ page: DemoPage, on connection: Connection) throws(DatabaseError) -> [DemoRow<DemoRequest>] {
    try list(requests, page, on: connection).map { (row) throws(DatabaseError) in try row.request }
  }

  private func list(_ table: Table, _ page: DemoPage, on connection: Connection) throws(DatabaseError) -> Rows {
    let after = page.after ?? DemoCursor(createdAt: Timestamp(microseconds: 0), id: UniqueID(high: 0, low: 0))
    let command = Command(
      table.list, [.timestamp(after.createdAt), .uuid(after.id), .int64(Int64(page.limit) + 1)])
    return try connection.run([command, ReplicationBarrier.command])[0]
  }
}

extension Row {
  fileprivate var user: DemoRow<DemoUser> {
    get throws(DatabaseError) {
      let user = DemoUser(
        id: try uuid(DemoColumns.User.id), firstName: try optionalText(DemoColumns.User.firstName),
        lastName: try optionalText(DemoColumns.User.lastName))
      return DemoRow(user, createdAt: try timestamp(DemoColumns.User.createdAt))
    }
  }

  fileprivate var method: DemoRow<DemoMethod> {
    get throws(DatabaseError) {
      let method = DemoMethod(
        id: try uuid(DemoColumns.Method.id), name: try optionalText(DemoColumns.Method.name))
      return DemoRow(method, createdAt: try timestamp(DemoColumns.Method.createdAt))
    }
  }

  fileprivate var request: DemoRow<DemoRequest> {
    get throws(DatabaseError) {
      let id = try uuid(DemoColumns.Request.id)
      guard let amount = try? SixPlaceAmount(text(DemoColumns.Request.amount)),
        let currency = Currency(try text(DemoColumns.Request.currency))
      else { throw .content("payment request \(id) has an amount or a currency that none of ours has") }
      let request = DemoRequest(
        id: id, userID: try uuid(DemoColumns.Request.userID), payeeID: try uuid(DemoColumns.Request.payeeID),
        methodID: try uuid(DemoColumns.Request.methodID), amount: amount, currency: currency)
      return DemoRow(request, createdAt: try timestamp(DemoColumns.Request.createdAt))
    }
  }
}

/// The columns of what the statements read.
private enum DemoColumns {
  enum User: Int, AnswerColumn { case id, firstName, lastName, createdAt }
  enum Method: Int, AnswerColumn { case id, name, createdAt }
  enum Request: Int, AnswerColumn { case id, userID, payeeID, methodID, amount, currency, createdAt }
}
