internal import DirectDomain
internal import GatewayDomain
internal import LedgerDomain
internal import LedgerStore
internal import ProcessingStore
internal import RiskStore
internal import Values

/// What happened to a payment, in the order in which it happened. Pure.
struct Timeline: Hashable {
  /// Something that happened.
  enum Happening: Hashable {
    /// - Parameter by: who asked for it, where that is known.
    case state(PaymentStanding, by: String?)
    case decided(StoredDecision)
    case moved(Transfer)
    case asked(PaymentTrail.Attempt)
    case answered(PaymentTrail.Attempt)
    case refunded(PaymentTrail.Refund)
    case contradicted(PaymentTrail.Exception)
    case seenTo(PaymentTrail.Exception)
    case told(WebhookDelivery)
    /// What became of a message, or was decided about it.
    case message(Story.Entry)
  }

  struct Entry: Hashable {
    /// As it was written.
    let at: Timestamp
    let happening: Happening
  }

  let entries: [Entry]

  init(
    states: [PaymentStanding], decision: StoredDecision?, transfers: [WrittenTransfer], trail: PaymentTrail,
    deliveries: [WebhookDelivery] = []
  ) {
    var entries: [Entry] = []
    entries += trail.attempts.compactMap { each in each.answeredAt.map { Entry(at: $0, happening: .answered(each)) } }
    entries += decision.map { [Entry(at: $0.at, happening: .decided($0))] } ?? []
    entries += transfers.map { Entry(at: $0.at, happening: .moved($0.transfer)) }
    let requesters = Requesters(reviewer: trail.reviewer, canceller: trail.canceller).requesters(of: states)
    entries += states.map { Entry(at: $0.since, happening: .state($0, by: requesters[$0.version])) }
    entries += trail.attempts.map { Entry(at: $0.askedAt, happening: .asked($0)) }
    entries += trail.refunds.map { Entry(at: $0.since, happening: .refunded($0)) }
    entries += trail.exceptions.map { Entry(at: $0.openedAt, happening: .contradicted($0)) }
    entries += trail.exceptions.compactMap { each in each.closedAt.map { Entry(at: $0, happening: .seenTo(each)) } }
    entries += deliveries.map { Entry(at: $0.moment, happening: .told($0)) }
    self.init(entries)
  }

  /// The same with what became of the messages.
  func adding(_ messages: [Story.Entry]) -> Timeline {
    Timeline(entries + messages.map { Entry(at: $0.at, happening: .message($0)) })
  }

  private init(_ entries: [Entry]) {
    let places = entries.map { Self.place($0, in: entries) }
    // Of one moment come first the causes, which are first in the list.
    self.entries = entries.indices.sorted { (places[$0], $0) < (places[$1], $1) }.map { entries[$0] }
  }

  /// Whether money is on its way back.
  var hasOpenRefund: Bool {
    entries.contains { entry in
      guard case .refunded(let refund) = entry.happening else { return false }
      return PaymentState(rawValue: refund.state)?.isFinal != true
    }
  }

  /// How far apart the times of one transaction are: some are its begin, others the moment of their statement.
  private static let transaction = Duration.seconds(1)

  /// The moment by which an entry has its place: what one transaction has written stands in the order of cause and
  /// effect, whichever of the transaction's moments it carries.
  private static func place(_ entry: Entry, in entries: [Entry]) -> Timestamp {
    switch entry.happening {
    case .decided:
      // Whatever was held or asked follows from the decision.
      let followers = entries.filter { follower in
        switch follower.happening {
        case .moved, .asked: follower.at < entry.at && entry.at < follower.at + transaction
        default: false
        }
      }
      return followers.map(\.at).min() ?? entry.at
    case .moved(let transfer) where transfer.kind != .pending: return answer(before: entry.at, in: entries) ?? entry.at
    case .message(let entry) where entry.what == "written": return answer(before: entry.at, in: entries) ?? entry.at
    case .state(let standing, _) where standing.version > 2: return answer(before: entry.at, in: entries) ?? entry.at
    default: return entry.at
    }
  }

  /// The bank's answer that something follows from: it was written with it, a little later.
  private static func answer(before moment: Timestamp, in entries: [Entry]) -> Timestamp? {
    for case .answered(let attempt) in entries.map(\.happening) {
      guard let answered = attempt.answeredAt, attempt.askedAt <= moment, moment <= answered,
        answered < moment + transaction
      else { continue }
      return answered
    }
    return nil
  }
}

extension WebhookDelivery {
  /// When it came to what became of it; of one that waits, when it was written.
  fileprivate var moment: Timestamp {
    switch outcome {
    case .pending: createdAt
    case .delivered(let at), .failed(_, let at): at
    }
  }
}
