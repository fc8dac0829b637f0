package import Inbox
package import SagaDomain
package import Tracing
internal import Values

/// The ways in which an inventory message can be done: the label `outcome` of `inventory_messages_total`.
package enum InventoryOutcome: String, InboxOutcome {
  /// It opened a payment.
  case created
  /// Its order had a payment.
  case duplicate
  /// The filter claimed that it is done, and the database confirmed it.
  case filtered
  /// Its status is not the one that opens payments.
  case skipped
}

/// A message that opens a payment.
package struct Opening: Sendable {
  /// The message as it was read.
  package let message: InventoryMessage
  /// What the filter claims to know of its key.
  package var claim: FilterClaim?

  /// The message's span; nil where it is not recorded.
  package let span: Span?

  /// An opening about which the filter claims nothing.
  package init(_ message: InventoryMessage, span: Span? = nil) {
    self.message = message
    self.span = span
  }
}

/// The filter's word that a key belongs to a committed payment. It only says where to look and proves nothing, since
/// whoever can write to Redis can write this.
package struct FilterClaim: Sendable, Hashable {
  /// The order whose payment the key opened.
  package let orderID: Int64
  /// What was stored with the key.
  package let fingerprint: [UInt8]

  /// Nil for bytes that no writer of ours has stored.
  package init?(_ fingerprint: [UInt8]) {
    guard let order = fingerprint.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).first,
      let orderID = Int64(String(decoding: order, as: UTF8.self)), orderID > 0
    else { return nil }
    self.orderID = orderID
    self.fingerprint = fingerprint
  }
}

/// The openings of one transaction: which of them are done according to filter and database, which have to be inserted,
/// and how each came out. Pure.
package struct InventoryBatch: Sendable {
  private let all: [Opening]
  /// The places in `all` of the openings that have no result yet.
  private var open: [Int]
  private var known: [InboxResult<InventoryOutcome>?]

  /// A batch in which no opening has a result yet.
  package init(_ openings: [Opening]) {
    all = openings
    open = Array(openings.indices)
    known = Array(repeating: nil, count: openings.count)
  }

  /// The openings that have no result yet.
  package var openings: [Opening] { open.count == all.count ? all : open.map { all[$0] } }

  /// The orders whose payments show whether the filter's claims are true.
  package var claimedOrders: [Int64] { Array(Set(openings.compactMap(\.claim?.orderID))) }

  /// Finishes openings whose payment exists, and refuses those whose key opened another one. An opening that the
  /// payments do not confirm stays open.
  /// - Parameter payments: those of `claimedOrders`, as the database has them now.
  package mutating func remove(confirmedBy payments: [Payment]) {
    if payments.isEmpty { return }
    let stored = Dictionary(payments.map { ($0.orderID, $0) }, uniquingKeysWith: { first, _ in first })
    for index in open { known[index] = Self.result(of: all[index], stored) }
    open.removeAll { known[$0] != nil }
  }

  private static func result(of opening: Opening, _ stored: [Int64: Payment]) -> InboxResult<InventoryOutcome>? {
    guard let claim = opening.claim, let payment = stored[claim.orderID] else { return nil }
    let message = opening.message
    if claim.fingerprint == message.command.fingerprint {
      // With another amount than the payment's it is for the insert to refuse.
      return message.command.agrees(with: payment) ? .done(.filtered) : nil
    }
    if payment.idempotentKey == message.idempotentKey {
      return .unusable(reason: "idempotent_key was used before for another order or amount")
    }
    return nil
  }

  /// Records how the openings that had no result came out.
  /// - Parameter outcomes: one for each of `openings`, in order.
  package mutating func settle(_ outcomes: [Result<CreateOutcome, PaymentError>]) {
    precondition(outcomes.count == open.count, "one outcome per opening")
    for (index, outcome) in zip(open, outcomes) {
      switch outcome {
      case .success(.created): known[index] = .done(.created)
      case .success(.existing), .success(.replayed): known[index] = .done(.duplicate)
      case .failure(let error): known[index] = .unusable(reason: error.message)
      }
    }
    open = []
  }

  /// The results of all openings, in order; each must have one.
  package var results: [InboxResult<InventoryOutcome>] {
    precondition(open.isEmpty, "an opening has no result")
    return known.compactMap(\.self)
  }
}
