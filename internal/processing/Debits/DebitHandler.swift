public import Inbox
public import Kafka
public import Money
public import Postgres

/// The ways in which a message of the topic of debits can be done: the label `outcome` of `debits_messages_total`.
public enum DebitMessageOutcome: String, InboxOutcome {
  /// The money was moved.
  case completed
  /// The money was not moved, for the reason that the result says.
  case rejected
  /// It was decided before.
  case known
}

/// Carries out the debits that are commanded by message; one for each lane of the inbox.
public struct DebitHandler: InboxHandler {
  private let store: DebitStore
  private let unit: AmountUnit
  private let onCommit: @Sendable () -> Void

  /// - Parameters:
  ///   - unit: of the amounts.
  ///   - onCommit: called on the lane's thread after commits that wrote results.
  public init(_ store: DebitStore, unit: AmountUnit, onCommit: @escaping @Sendable () -> Void) {
    self.store = store
    self.unit = unit
    self.onCommit = onCommit
  }

  /// Reads a message.
  public func sort(_ message: ConsumedMessage) -> InboxSorting<DebitCommand, DebitMessageOutcome> {
    do throws(UnreadableDebit) {
      return .work(try DebitCommand(message.value, unit: unit))
    } catch {
      return .unusable(reason: error.description)
    }
  }

  /// Carries the debits out, in one transaction.
  public func execute(
    _ commands: [DebitCommand], on connection: Connection
  ) throws(DatabaseError) -> [InboxResult<DebitMessageOutcome>] {
    try store.execute(commands, on: connection).map { outcome in
      switch outcome {
      case .decided(let result): .done(result.status == .completed ? .completed : .rejected)
      case .known: .done(.known)
      case .differs: .unusable(reason: "another debit has this id: expected the same user, amount and currency")
      }
    }
  }

  /// Has the results published.
  public func committed(_ items: [DebitCommand], _ results: [InboxResult<DebitMessageOutcome>]) { onCommit() }
}
