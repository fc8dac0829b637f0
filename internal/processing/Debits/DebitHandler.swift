public import Inbox
public import Kafka
public import Money
public import Postgres
public import Tracing
internal import Values

/// The ways in which a message of the topic of debits can be done: the label `outcome` of `debits_messages_total`.
public enum DebitMessageOutcome: String, InboxOutcome {
  /// The money was moved.
  case completed
  /// The money was not moved, for the reason that the result says.
  case rejected
  /// It was decided before.
  case known
}

/// A debit with what its message is a part of.
public struct CommandedDebit: Sendable {
  /// What the message says.
  public let command: DebitCommand
  /// What its result is a part of: the message's span where it is recorded, else the span that its headers name.
  public let trace: TraceContext?
  fileprivate let span: Span?
}

/// Carries out the debits that are commanded by message; one for each lane of the inbox.
public struct DebitHandler: InboxHandler {
  private let store: DebitStore
  private let unit: AmountUnit
  private let tracer: Tracer
  private let onCommit: @Sendable () -> Void

  /// - Parameters:
  ///   - unit: of the amounts.
  ///   - tracer: records messages, those without a trace as traces of their own.
  ///   - onCommit: called on the lane's thread after commits that wrote results.
  public init(_ store: DebitStore, unit: AmountUnit, tracer: Tracer = .off, onCommit: @escaping @Sendable () -> Void) {
    self.store = store
    self.unit = unit
    self.tracer = tracer
    self.onCommit = onCommit
  }

  /// Reads a message.
  public func sort(_ message: ConsumedMessage) -> InboxSorting<CommandedDebit, DebitMessageOutcome> {
    do throws(UnreadableDebit) {
      let command = try DebitCommand(message.value, unit: unit)
      let trace = message.trace
      let span = tracer.process(message, parent: trace, [SpanAttribute("paysaga.debit_id", command.id.description)])
      return .work(CommandedDebit(command: command, trace: span?.context ?? trace, span: span))
    } catch {
      return .unusable(reason: error.description)
    }
  }

  /// Carries the debits out, in one transaction.
  public func execute(
    _ debits: [CommandedDebit], on connection: Connection
  ) throws(DatabaseError) -> [InboxResult<DebitMessageOutcome>] {
    var traces: [UniqueID: TraceContext] = [:]
    for debit in debits where traces[debit.command.id] == nil { traces[debit.command.id] = debit.trace }
    let outcomes = try tracer.recording("carry out debits", debits.count, debits.map(\.trace)) {
      () throws(DatabaseError) in try store.execute(debits.map(\.command), traces: traces, on: connection)
    }
    return outcomes.map { outcome in
      switch outcome {
      case .decided(let result): .done(result.status == .completed ? .completed : .rejected)
      case .known: .done(.known)
      case .differs: .unusable(reason: "another debit has this id: expected the same user, amount and currency")
      }
    }
  }

  /// Has the results published.
  public func committed(_ items: [CommandedDebit], _ results: [InboxResult<DebitMessageOutcome>]) {
    onCommit()
    for (debit, result) in zip(items, results) {
      if case .unusable(let reason) = result { debit.span?.end(error: reason) } else { debit.span?.end() }
    }
  }
}
