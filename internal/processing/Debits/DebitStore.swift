internal import Crypto
internal import LedgerDomain
public import LedgerStore
internal import Money
public import Outbox
public import Postgres
public import ProcessingStore
public import Tracing
internal import UserNames
public import Values

/// What became of a debit's message.
public enum DebitOutcome: Sendable, Hashable {
  /// It was decided now.
  case decided(DebitResult)
  /// It was decided before, and its result was written then.
  case known
  /// Another debit has its id.
  case differs
}

/// The transaction on debits: the debit's row, the movement of the money and the event of the result commit together.
///
/// Order of locks, so that writers never wait for each other in a circle: debits by ascending id, inserts included;
/// then accounts by ascending id. A value that any thread may use; make it once, since its statements are prepared on
/// each connection.
public struct DebitStore: Sendable {
  private let ledger: LedgerStore
  private let outbox: OutboxWriter
  private let topic: String
  private let insert: Statement
  private let find: Statement
  private let decide: Statement

  private enum Column: Int, AnswerColumn { case id, userName, amount, currency }

  /// - Parameters:
  ///   - ledger: of the same database.
  ///   - outbox: of the schema in which the tables are.
  ///   - topic: where results go.
  public init(
    _ tables: ProcessingTables = ProcessingTables(), ledger: LedgerStore, outbox: OutboxWriter, topic: String
  ) {
    self.ledger = ledger
    self.outbox = outbox
    self.topic = topic
    insert = Statement(
      """
      INSERT INTO \(tables.debit) (id, user_name, amount, currency)
      SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[]) u(id, user_name, amount, currency)
      ORDER BY id ON CONFLICT DO NOTHING RETURNING id
      """)
    // A statement of its own: what ON CONFLICT has waited for is not in the snapshot of that INSERT.
    find = Statement("SELECT id, user_name, amount, currency::text FROM \(tables.debit) WHERE id = ANY ($1)")
    decide = Statement(
      """
      UPDATE \(tables.debit) d SET status = u.status, reason = u.reason
      FROM unnest($1::uuid[], $2::text[], $3::text[]) u(id, status, reason) WHERE d.id = u.id
      """)
  }

  /// Carries out debits, each once; a later one of a user sees an earlier one.
  /// - Parameter traces: what the debits are a part of, by id; passed on with their results.
  /// - Returns: what became of each, in order.
  public func execute(
    _ commands: [DebitCommand], traces: [UniqueID: TraceContext] = [:], on connection: Connection
  ) throws(DatabaseError) -> [DebitOutcome] {
    try connection.transaction { (connection) throws(DatabaseError) in
      // Of messages with one id the first one counts.
      var firsts: [UniqueID: DebitCommand] = [:]
      for command in commands where firsts[command.id] == nil { firsts[command.id] = command }
      let new = try add(Array(firsts.values), on: connection)
      let known = try stored(firsts.keys.filter { !new.contains($0) }, on: connection)
      var seen: Set<UniqueID> = []
      let open = commands.filter { new.contains($0.id) && seen.insert($0.id).inserted }
      var results = try carryOut(open, traces, on: connection)
      return commands.map { command in
        guard let kept = new.contains(command.id) ? firsts[command.id] : known[command.id], kept == command else {
          return .differs
        }
        return results.removeValue(forKey: command.id).map(DebitOutcome.decided) ?? .known
      }
    }
  }

  /// - Returns: those that were not there.
  private func add(_ commands: [DebitCommand], on connection: Connection) throws(DatabaseError) -> Set<UniqueID> {
    let rows = try connection.run(
      Command(
        insert,
        [
          .uuidArray(commands.map(\.id)), .textArray(commands.map(\.user.text)),
          .int64Array(commands.map(\.amount.minorUnits)), .textArray(commands.map(\.amount.currency.code)),
        ]))
    return Set(try rows.map { (row) throws(DatabaseError) in try row.uuid(0) })
  }

  private func stored(
    _ ids: [UniqueID], on connection: Connection
  ) throws(DatabaseError) -> [UniqueID: DebitCommand] {
    var found: [UniqueID: DebitCommand] = [:]
    guard !ids.isEmpty else { return found }
    for row in try connection.run(Command(find, [.uuidArray(ids)])) {
      let id = try row.uuid(Column.id)
      guard let user = UserName(try row.text(Column.userName)), let currency = Currency(try row.text(Column.currency))
      else { throw .content("debit \(id) has a user or a currency that no debit of ours has") }
      let amount = Money(minorUnits: try row.int64(Column.amount), currency)
      found[id] = DebitCommand(id: id, user: user, amount: amount)
    }
    return found
  }

  private func carryOut(
    _ commands: [DebitCommand], _ traces: [UniqueID: TraceContext], on connection: Connection
  ) throws(DatabaseError) -> [UniqueID: DebitResult] {
    guard !commands.isEmpty else { return [:] }
    let accounts = try ledger.accounts(connection.run(ledger.find(Set(commands.map(\.holder)))))
    let movements = commands.map { command in accounts[command.holder].map { command.movement(from: $0) } }
    let requests = movements.compactMap(\.self)
    var batch = try ledger.batch(connection.run(ledger.reads(requests)))
    let results = zip(commands, movements).map { command, movement in
      DebitResult(command.id, movement.map { batch.decide(.single($0)) })
    }
    let events = results.map { result in
      NewEvent(
        eventID: .random(), key: Self.key(of: result.id), sequence: 1, topic: topic, payload: result.payload(),
        type: result.type, source: ProcessingStore.eventSource, traceparent: traces[result.id]?.traceparent)
    }
    let decided = Command(
      decide,
      [
        .uuidArray(results.map(\.id)), .textArray(results.map(\.status.rawValue)),
        .optionalTextArray(results.map(\.reason)),
      ])
    try connection.run(ledger.writes(batch) + [decided, outbox.insert(events)])
    return Dictionary(uniqueKeysWithValues: results.map { ($0.id, $0) })
  }

  /// The key of a debit's event. Whoever commands a debit chooses its id, which may be that of a payment.
  static func key(of debit: UniqueID) -> String { "\(keyPrefix)\(debit)" }

  /// The debit that an event with this key tells of; nil for keys of other things.
  static func debit(ofKey key: String) -> UniqueID? {
    key.hasPrefix(keyPrefix) ? UniqueID(String(key.dropFirst(keyPrefix.count))) : nil
  }

  private static let keyPrefix = "debit:"

  /// The ledger's operation: an id that is made of the debit's, since the ledger's ids replace the last digit, so that
  /// two debits that differ in it would be one.
  static func operation(of debit: UniqueID) -> UniqueID {
    UniqueID(digest: SHA256.digest(of: Array("debit\0\(debit)".utf8).span.bytes))
  }
}

extension DebitCommand {
  fileprivate var holder: LedgerStore.Holder { LedgerStore.Holder(owner: user.userID, currency: amount.currency) }

  /// From the user to the outside.
  fileprivate func movement(from account: UniqueID) -> TransferRequest.Movement {
    TransferRequest.Movement(
      id: TransferID.of(DebitStore.operation(of: id), .external), debit: account,
      credit: LedgerAccount.ours(.world, amount.currency).id, amount: amount)
  }
}
