public import GatewayDomain
public import Postgres
public import Values

/// An endpoint with what its secrets are made of.
public struct StoredWebhookEndpoint: Sendable, Hashable {
  /// The endpoint.
  public let endpoint: WebhookEndpoint
  /// Of the secret.
  public let origin: WebhookSecretOrigin
  /// Of the secret before it, while that signs as well, with when it ends.
  public let oldOrigin: WebhookSecretOrigin?
  /// When the secret before it ends.
  public let oldUntil: Timestamp?
  /// Whether somebody has deleted it, and deliveries are still to be shown as failed.
  public let isDeleted: Bool
}

/// Webhook endpoints in their table. Each change tells all gateways (`GatewayTables.webhookChannel`).
public struct WebhookEndpointStore: Sendable {
  /// What became of an endpoint that was to be added.
  public enum Added: Sendable, Hashable {
    /// It is there now.
    case new(StoredWebhookEndpoint)
    /// The same was there.
    case same(StoredWebhookEndpoint)
    /// Something else has this id.
    case differs
    /// There are as many as there may be.
    case tooMany
  }

  private let insert: Statement
  private let find: Statement
  private let list: Statement
  private let lock: Statement
  private let update: Statement
  private let rotate: Statement
  private let delete: Statement
  private let writers: Statement
  private let notify: Statement

  /// The endpoints of a schema.
  public init(_ t: GatewayTables) {
    let columns = WebhookEndpointRow.columns
    // Those that were deleted count until they are forgotten: each is leased and closed as the others are.
    insert = Statement(
      """
      INSERT INTO \(t.webhookEndpoint) (id, url, events, description, key_id, salt)
      SELECT $1, $2, $3, $4, $5, $6
      WHERE (SELECT count(*) FROM \(t.webhookEndpoint)) < $7
      ON CONFLICT (id) DO NOTHING RETURNING id
      """)
    find = Statement("SELECT \(columns) FROM \(t.webhookEndpoint) e WHERE e.id = $1", isReadOnly: true)
    list = Statement(
      "SELECT \(columns) FROM \(t.webhookEndpoint) e WHERE e.state <> 'deleted' ORDER BY e.created_at, e.id",
      isReadOnly: true)
    // Payments read the table meanwhile.
    lock = Statement("LOCK TABLE \(t.webhookEndpoint) IN SHARE ROW EXCLUSIVE MODE")
    update = Statement(
      """
      UPDATE \(t.webhookEndpoint) SET url = coalesce($2, url), events = coalesce($3::text[], events),
             description = CASE WHEN $4 THEN $5 ELSE description END,
             state = CASE $6::boolean WHEN true THEN 'enabled' WHEN false THEN 'disabled' ELSE state END,
             disabled_reason = CASE $6::boolean WHEN true THEN NULL
                                                WHEN false THEN coalesce(disabled_reason, 'asked')
                                                ELSE disabled_reason END,
             failing_since = CASE WHEN $6::boolean AND state = 'disabled' THEN NULL ELSE failing_since END,
             since = CASE WHEN $6::boolean = (state = 'enabled') OR $6::boolean IS NULL THEN since
                          ELSE clock_timestamp() END
      WHERE id = $1 AND state <> 'deleted'
      """)
    rotate = Statement(
      """
      UPDATE \(t.webhookEndpoint) SET key_id = $2, salt = $3, old_key_id = key_id, old_salt = salt,
             old_until = clock_timestamp() + make_interval(secs => $4)
      WHERE id = $1 AND state <> 'deleted' AND (key_id, salt) <> ($2, $3)
        AND (old_key_id, old_salt) IS DISTINCT FROM ($2, $3)
      """)
    delete = Statement(
      """
      UPDATE \(t.webhookEndpoint) SET state = 'deleted', disabled_reason = NULL, since = clock_timestamp()
      WHERE id = $1 AND state <> 'deleted' RETURNING id
      """)
    // What has read the endpoints holds the lock of a reader until its end, and a transaction that writes has an id.
    writers = Statement(
      """
      SELECT l.virtualtransaction::text FROM pg_locks l
      WHERE l.locktype = 'relation' AND l.relation = '\(t.webhookEndpoint)'::regclass AND l.pid <> pg_backend_pid()
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND ($1::text[] IS NULL OR l.virtualtransaction = ANY ($1))
        AND EXISTS (SELECT FROM pg_locks x
                    WHERE x.locktype = 'transactionid' AND x.virtualtransaction = l.virtualtransaction)
      """, isReadOnly: true)
    notify = Statement("SELECT pg_notify($1, $2)")
  }

  // MARK: - Reading

  /// The endpoints, by age.
  public func all(on connection: Connection) throws(DatabaseError) -> [StoredWebhookEndpoint] {
    try connection.run([Command(list), ReplicationBarrier.command])[0].map(WebhookEndpointRow.decode)
  }

  /// An endpoint; nil where there is none.
  public func endpoint(_ id: UniqueID, on connection: Connection) throws(DatabaseError) -> StoredWebhookEndpoint? {
    let rows = try connection.run([Command(find, [.uuid(id)]), ReplicationBarrier.command])[0]
    return try rows.first.map(WebhookEndpointRow.decode).flatMap { $0.isDeleted ? nil : $0 }
  }

  // MARK: - Changes

  /// Adds an endpoint, unless the id is another's.
  public func add(
    _ id: UniqueID, _ request: WebhookEndpointRequest, _ origin: WebhookSecretOrigin, on connection: Connection
  ) throws(DatabaseError) -> Added {
    try connection.rollingBack { () throws(DatabaseError) in
      let made = try connection.run([
        .begin, Command(lock),
        Command(
          insert,
          [
            .uuid(id), .text(request.url), .textArray(request.events), .textOrNull(request.description),
            .text(origin.keyID), .bytes(origin.salt), .int64(Int64(WebhookEndpoint.maximumEndpoints)),
          ]),
        Command(find, [.uuid(id)]),
      ])
      try commit(on: connection)
      guard let row = made[3].first else { return .tooMany }
      let found = try WebhookEndpointRow.decode(row)
      if made[2].count == 1 { return .new(found) }
      let endpoint = found.endpoint
      let isSame =
        endpoint.url == request.url && endpoint.events == request.events && !found.isDeleted
        && endpoint.description == request.description
      return isSame ? .same(found) : .differs
    }
  }

  /// Changes an endpoint; nil where there is none.
  public func change(
    _ id: UniqueID, _ change: WebhookEndpointChange, on connection: Connection
  ) throws(DatabaseError) -> StoredWebhookEndpoint? {
    try changing(
      id,
      Command(
        update,
        [
          .uuid(id), .textOrNull(change.url), change.events.map { .textArray($0) } ?? .typedNull(.textArray),
          .bool(change.description != nil), .textOrNull(change.description ?? nil),
          change.isEnabled.map { .bool($0) } ?? .typedNull(.bool),
        ]), on: connection)
  }

  /// Gives an endpoint another secret; nil where there is no such endpoint. Where it has this one, or had it before the
  /// one that it has, nothing changes: the request came again.
  /// - Parameter grace: how long the secret that it had signs as well; one before that ends at once.
  public func rotate(
    _ id: UniqueID, _ origin: WebhookSecretOrigin, grace: Duration, on connection: Connection
  ) throws(DatabaseError) -> StoredWebhookEndpoint? {
    try changing(
      id, Command(rotate, [.uuid(id), .text(origin.keyID), .bytes(origin.salt), .double(grace.inSeconds)]),
      on: connection)
  }

  /// Deletes an endpoint; what waits for it is shown as failed before long.
  /// - Returns: whether there was one.
  public func delete(_ id: UniqueID, on connection: Connection) throws(DatabaseError) -> Bool {
    try connection.rollingBack { () throws(DatabaseError) in
      let deleted = try connection.run([.begin, Command(delete, [.uuid(id)])])[1]
      try commit(on: connection)
      return !deleted.isEmpty
    }
  }

  private func changing(
    _ id: UniqueID, _ command: Command, on connection: Connection
  ) throws(DatabaseError) -> StoredWebhookEndpoint? {
    try connection.rollingBack { () throws(DatabaseError) in
      let rows = try connection.run([.begin, command, Command(find, [.uuid(id)])])[2]
      try commit(on: connection)
      return try rows.first.map(WebhookEndpointRow.decode).flatMap { $0.isDeleted ? nil : $0 }
    }
  }

  private func commit(on connection: Connection) throws(DatabaseError) {
    try connection.run([
      Command(notify, [.text(GatewayTables.webhookChannel), .text(GatewayTables.endpointsChanged)]), .commit,
    ])
  }

  // MARK: - Changes under way

  /// Transactions under way that may have read the endpoints as they were before the last change. Once these have
  /// ended, everything that commits knows the change.
  /// - Parameter known: those to look for; nil for all that there are.
  public func writers(among known: [String]? = nil, on connection: Connection) throws(DatabaseError) -> [String] {
    let parameter = known.map { Parameter.textArray($0) } ?? .typedNull(.textArray)
    return try connection.run(Command(writers, [parameter])).map { (row) throws(DatabaseError) in try row.text(0) }
  }
}

/// How an endpoint lies in its table.
enum WebhookEndpointRow {
  private enum Column: Int, AnswerColumn {
    case id, url, events, description, state, disabledReason, since, failingSince, createdAt, keyID, salt, oldKeyID
    case oldSalt, oldUntil
  }

  /// The SELECT list that `decode` reads, of an alias named `e`.
  static let columns = """
    e.id, e.url, e.events, e.description, e.state, e.disabled_reason, e.since, e.failing_since, e.created_at, e.key_id, \
    e.salt, CASE WHEN e.old_until > clock_timestamp() THEN e.old_key_id END AS old_key_id, \
    CASE WHEN e.old_until > clock_timestamp() THEN e.old_salt END AS old_salt, e.old_until
    """

  static func id(_ row: Row) throws(DatabaseError) -> UniqueID { try row.uuid(Column.id) }

  /// - Throws: `content` for what no endpoint of ours has.
  static func decode(_ row: Row) throws(DatabaseError) -> StoredWebhookEndpoint {
    let state = try row.text(Column.state)
    let endpoint = WebhookEndpoint(
      id: try row.uuid(Column.id), url: try row.text(Column.url), events: try row.textArray(Column.events),
      description: try row.optionalText(Column.description), state: try self.state(state, row),
      failingSince: try row.optionalTimestamp(Column.failingSince), createdAt: try row.timestamp(Column.createdAt))
    let oldKey = try row.optionalText(Column.oldKeyID)
    let oldOrigin = try oldKey.map { (key) throws(DatabaseError) in
      WebhookSecretOrigin(keyID: key, salt: try row.bytes(Column.oldSalt))
    }
    return StoredWebhookEndpoint(
      endpoint: endpoint,
      origin: WebhookSecretOrigin(keyID: try row.text(Column.keyID), salt: try row.bytes(Column.salt)),
      oldOrigin: oldOrigin, oldUntil: oldOrigin == nil ? nil : try row.timestamp(Column.oldUntil),
      isDeleted: state == "deleted")
  }

  private static func state(_ state: String, _ row: Row) throws(DatabaseError) -> WebhookEndpoint.State {
    switch state {
    case "enabled": return .enabled
    // Nothing is sent to it.
    case "deleted": return .disabled(.asked, since: try row.timestamp(Column.since))
    case "disabled":
      let word = try row.text(Column.disabledReason)
      guard let reason = WebhookEndpoint.DisabledReason(rawValue: word) else {
        throw .content("disabled_reason is \(word), which this version does not know")
      }
      return .disabled(reason, since: try row.timestamp(Column.since))
    default: throw .content("state is \(state), which this version does not know")
    }
  }
}
