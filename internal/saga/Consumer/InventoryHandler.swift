package import Inbox
package import Kafka
package import Postgres
internal import SagaDomain
internal import SagaStore
internal import Synchronization
package import Tracing

/// Opens payments for inventory messages; one per lane of the inbox.
///
/// The filter in Redis knows keys whose payment is committed. The database confirms each of its claims (G7), which
/// costs one look-up instead of an insert that inserts nothing.
package struct InventoryHandler: InboxHandler {
  private let triggerStatus: String
  private let transactions: PaymentTransactions
  private let filter: DuplicateFilter?
  private let health: FilterHealth
  private let tracer: Tracer
  private let others: OtherStatuses
  private let onCreated: @Sendable () -> Void

  /// - Parameters:
  ///   - triggerStatus: the status of messages that open payments; messages of any other status are skipped.
  ///   - filter: nil to ask only the database.
  ///   - health: told whether the filter is reachable.
  ///   - tracer: records messages, those without a trace as traces of their own.
  ///   - others: told of messages that are skipped.
  ///   - onCreated: called after a commit that opened payments.
  init(
    triggerStatus: String, transactions: PaymentTransactions, filter: DuplicateFilter?, health: FilterHealth,
    tracer: Tracer, others: OtherStatuses, onCreated: @escaping @Sendable () -> Void
  ) {
    self.triggerStatus = triggerStatus
    self.transactions = transactions
    self.filter = filter
    self.health = health
    self.tracer = tracer
    self.others = others
    self.onCreated = onCreated
  }

  /// Reads a message of the inventory topic.
  package func sort(_ message: ConsumedMessage) -> InboxSorting<Opening, InventoryOutcome> {
    Self.sort(message, triggerStatus: triggerStatus, tracer: tracer) { others.note($0, message) }
  }

  /// Reads a message; what it cannot read is unusable. Pure.
  /// - Parameter onOther: gets the status of a message that opens nothing.
  package static func sort(
    _ message: ConsumedMessage, triggerStatus: String, tracer: Tracer = .off, onOther: (String) -> Void = { _ in }
  ) -> InboxSorting<Opening, InventoryOutcome> {
    do {
      let trace = message.trace
      var inventory = try InventoryMessage(
        message.value, trace: trace, place: "\(message.topic)/\(message.partition)@\(message.offset)")
      guard inventory.status == triggerStatus else {
        onOther(inventory.status)
        return .done(.skipped)
      }
      let span = tracer.process(
        message, parent: trace, [SpanAttribute("paysaga.order_id", inventory.command.orderID)])
      if let span { inventory.command.trace = span.context }
      return .work(Opening(inventory, span: span))
    } catch {
      return .unusable(reason: error.description)
    }
  }

  /// Looks the keys up in the filter.
  package func prepare(_ openings: inout [Opening]) {
    guard let filter else { return }
    let fingerprints = filter.fingerprints(of: openings.map(\.message.idempotentKey))
    for (index, fingerprint) in fingerprints.enumerated() {
      openings[index].claim = fingerprint.flatMap(FilterClaim.init)
    }
    health.problem = filter.problem
  }

  /// Finishes what the filter claims and the database confirms, and opens payments for the rest.
  package func execute(_ openings: [Opening], on connection: Connection) throws(DatabaseError)
    -> [InboxResult<InventoryOutcome>]
  {
    var batch = InventoryBatch(openings)
    // Without a filter nothing is claimed.
    let claimed = filter == nil ? [] : batch.claimedOrders
    if !claimed.isEmpty {
      batch.remove(confirmedBy: try transactions.findConfirmed(orderIDs: claimed, on: connection).payments)
    }
    let commands = batch.openings.map(\.message.command)
    if !commands.isEmpty {
      let outcomes = try tracer.recording("create payments", commands.count, commands.map(\.trace)) {
        () throws(DatabaseError) in try transactions.create(commands, on: connection)
      }
      batch.settle(outcomes)
    }
    return batch.results
  }

  /// Blames the message for values that the tables refuse.
  package func reasonToRefuse(_ error: DatabaseError) -> String? {
    WriteFault.isOfValues(error) ? "the database refused the payment: \(error.message)" : nil
  }

  /// Wakes the relay and tells the filter which keys are committed.
  package func committed(_ openings: [Opening], _ results: [InboxResult<InventoryOutcome>]) {
    let hasCreated = results.contains { if case .done(.created) = $0 { true } else { false } }
    if hasCreated { onCreated() }
    for opening in openings { opening.span?.end() }
    guard let filter else { return }
    var entries: [DuplicateFilter.Entry] = []
    for (opening, result) in zip(openings, results) {
      switch result {
      case .done(.created), .done(.duplicate):
        entries.append((opening.message.idempotentKey, opening.message.command.fingerprint))
      case .done(.filtered), .done(.skipped), .unusable: continue
      }
    }
    filter.remember(entries)
    health.problem = filter.problem
  }

  /// Has the filter finish what it began, and look whether Redis is back.
  package func idle() {
    guard let filter else { return }
    filter.idle()
    health.problem = filter.problem
  }

  /// Hangs up on Redis.
  package func close() { filter?.close() }
}

/// What is in the way of a lane's filter; for any thread.
final class FilterHealth: Sendable {
  private let current = Mutex<String?>(nil)

  /// What Redis refuses, or why it does not answer; nil when it works.
  var problem: String? {
    get { current.withLock { $0 } }
    set { current.withLock { $0 = newValue } }
  }
}
