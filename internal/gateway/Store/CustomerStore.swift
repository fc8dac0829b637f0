internal import DirectDomain
public import GatewayDomain
public import Postgres
public import Values

/// Users and their payment methods in their tables. Each statement is a transaction of its own.
public struct CustomerStore: Sendable {
  /// What became of something that was to be added.
  public enum Added: Sendable, Hashable {
    /// It is there now.
    case new(at: Timestamp)
    /// The same was there.
    case same(since: Timestamp)
    /// Something else has this id.
    case differs
  }

  private enum UserColumn: Int, AnswerColumn { case id, name, externalID, createdAt }
  private enum MethodColumn: Int, AnswerColumn { case id, userID, method, source, createdAt }

  private let addUser: Statement
  private let findUser: Statement
  private let listUsers: Statement
  private let listNamed: Statement
  private let addMethod: Statement
  private let findMethod: Statement
  private let listMethods: Statement
  private let deleteMethod: Statement

  /// The tables of a schema.
  public init(_ t: GatewayTables) {
    let user = "SELECT c.id, c.name, c.external_id, c.created_at FROM \(t.customer) c"
    let method = "SELECT m.id, m.user_id, m.method, m.source, m.created_at FROM \(t.paymentMethod) m"
    addUser = Statement(
      "INSERT INTO \(t.customer) (id, name, external_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING created_at"
    )
    findUser = Statement("\(user) WHERE c.id = $1", isReadOnly: true)
    listUsers = Statement("\(user) WHERE c.id > $1 ORDER BY c.id LIMIT $2", isReadOnly: true)
    listNamed = Statement("\(user) WHERE c.external_id = $3 AND c.id > $1 ORDER BY c.id LIMIT $2", isReadOnly: true)
    addMethod = Statement(
      """
      INSERT INTO \(t.paymentMethod) (id, user_id, method, source) VALUES ($1, $2, $3, $4)
      ON CONFLICT DO NOTHING RETURNING created_at
      """)
    findMethod = Statement("\(method) WHERE m.id = $1", isReadOnly: true)
    listMethods = Statement("\(method) WHERE m.user_id = $3 AND m.id > $1 ORDER BY m.id LIMIT $2", isReadOnly: true)
    deleteMethod = Statement("DELETE FROM \(t.paymentMethod) WHERE id = $1 RETURNING id")
  }

  // MARK: - Users

  /// Adds a user, unless the id is somebody's.
  public func add(_ user: GatewayUser, on connection: Connection) throws(DatabaseError) -> Added {
    let made = try connection.run(
      Command(addUser, [.uuid(user.id), .textOrNull(user.name), .textOrNull(user.externalID)]))
    if let row = made.first { return .new(at: try row.timestamp(0)) }
    // A statement of its own: the snapshot of the INSERT has nothing of what it waited for. Nobody deletes users.
    guard let found = try self.user(user.id, on: connection) else { return .differs }
    return found.user == user ? .same(since: found.createdAt) : .differs
  }

  /// A user; nil where there is none.
  public func user(
    _ id: UniqueID, on connection: Connection
  ) throws(DatabaseError) -> (user: GatewayUser, createdAt: Timestamp)? {
    try connection.run([Command(findUser, [.uuid(id)]), ReplicationBarrier.command])[0].first.map(Self.user)
  }

  /// Users by ascending id, one more than the limit when there are more.
  public func users(
    _ filter: OwnedFilter, on connection: Connection
  ) throws(DatabaseError) -> [(user: GatewayUser, createdAt: Timestamp)] {
    let (after, limit) = bounds(filter)
    let command =
      filter.externalID.map { Command(listNamed, [after, limit, .text($0)]) } ?? Command(listUsers, [after, limit])
    return try connection.run([command, ReplicationBarrier.command])[0].map(Self.user)
  }

  private static func user(_ row: Row) throws(DatabaseError) -> (user: GatewayUser, createdAt: Timestamp) {
    let user = GatewayUser(
      id: try row.uuid(UserColumn.id), name: try row.optionalText(UserColumn.name),
      externalID: try row.optionalText(UserColumn.externalID))
    return (user, try row.timestamp(UserColumn.createdAt))
  }

  // MARK: - Payment methods

  /// Adds a method, unless the id is another's.
  public func add(_ method: SavedMethod, on connection: Connection) throws(DatabaseError) -> Added {
    let made = try connection.run(
      Command(
        addMethod,
        [.uuid(method.id), .uuid(method.userID), .text(method.source.method.rawValue), .text(method.source.text)]))
    if let row = made.first { return .new(at: try row.timestamp(0)) }
    guard let found = try self.method(method.id, on: connection) else { return .differs }
    return found.method == method ? .same(since: found.createdAt) : .differs
  }

  /// A method; nil where there is none.
  public func method(
    _ id: UniqueID, on connection: Connection
  ) throws(DatabaseError) -> (method: SavedMethod, createdAt: Timestamp)? {
    try connection.run([Command(findMethod, [.uuid(id)]), ReplicationBarrier.command])[0].first.map(Self.method)
  }

  /// The methods of the filter's user by ascending id, one more than the limit when there are more.
  public func methods(
    _ filter: OwnedFilter, on connection: Connection
  ) throws(DatabaseError) -> [(method: SavedMethod, createdAt: Timestamp)] {
    let (after, limit) = bounds(filter)
    let user = filter.userID ?? UniqueID(high: 0, low: 0)
    return try connection.run([Command(listMethods, [after, limit, .uuid(user)]), ReplicationBarrier.command])[0]
      .map(Self.method)
  }

  /// Deletes a method.
  /// - Returns: whether there was one.
  public func deleteMethod(_ id: UniqueID, on connection: Connection) throws(DatabaseError) -> Bool {
    try !connection.run(Command(deleteMethod, [.uuid(id)])).isEmpty
  }

  private static func method(_ row: Row) throws(DatabaseError) -> (method: SavedMethod, createdAt: Timestamp) {
    let name = try row.text(MethodColumn.method)
    guard let source = SavedMethod.Source(name, try row.text(MethodColumn.source)) else {
      throw .content("method is \(name), which is none that is kept")
    }
    let method = SavedMethod(
      id: try row.uuid(MethodColumn.id), userID: try row.uuid(MethodColumn.userID), source: source)
    return (method, try row.timestamp(MethodColumn.createdAt))
  }

  private func bounds(_ filter: OwnedFilter) -> (Parameter, Parameter) {
    (.uuid(filter.after?.id ?? UniqueID(high: 0, low: 0)), .int64(Int64(filter.limit) + 1))
  }
}
