public import LedgerStore
public import Outbox
public import Postgres
public import ProcessingStore
internal import UserNames
public import Values

/// What is known of debits that were commanded by message, for the story of one: its result, what it moved in the
/// ledger, and what became of the event that told the result.
///
/// A value that any thread may use; each function is a few round trips.
public struct DebitStories: Sendable {
  private let events: OutboxInspection
  private let ledger: PaymentTransfers
  private let debit: Statement

  private enum Column: Int, AnswerColumn { case at, userName, amount, currency, status, reason }

  /// - Parameter outbox: the processors'.
  public init(_ t: ProcessingTables = ProcessingTables(), ledger: LedgerTables = LedgerTables(), outbox: OutboxTables) {
    events = OutboxInspection(outbox)
    self.ledger = PaymentTransfers(ledger)
    debit = Statement(
      "SELECT at, user_name, amount, currency::text AS currency, status, reason FROM \(t.debit) WHERE id = $1",
      isReadOnly: true)
  }

  /// The debit that an event (`ce_id`) tells of; nil when no such event is kept, or it tells of something else.
  public func debit(ofEvent id: UniqueID, on connection: Connection) throws(DatabaseError) -> UniqueID? {
    try events.event(id, on: connection).flatMap { DebitStore.debit(ofKey: $0.key) }
  }

  /// What is known of a debit; empty when there is none.
  public func entries(of id: UniqueID, on connection: Connection) throws(DatabaseError) -> [Story.Entry] {
    guard let row = try connection.run(Command(debit, [.uuid(id)])).first else { return [] }
    let at = try row.timestamp(Column.at)
    let name = try row.text(Column.userName)
    let decided = Story.Entry(
      at, "debit", try row.optionalText(Column.status) ?? "undecided",
      [
        "debit": .uuid(id), "user": .text(name), "user_id": .uuidOrNil(UserName(name)?.userID),
        "amount_minor": .number(try row.int64(Column.amount)), "currency": .text(try row.text(Column.currency)),
        "reason": .textOrNil(try row.optionalText(Column.reason)),
      ])
    let moved = try ledger.find([DebitStore.operation(of: id)], on: connection).map(\.story)
    // There is one event, and it was written with the row.
    let told = try events.story(
      of: DebitStore.key(of: id), named: "processing", near: [at], count: 1, on: connection)
    return [decided] + moved + told
  }
}
