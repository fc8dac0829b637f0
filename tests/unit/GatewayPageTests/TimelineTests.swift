import DirectDomain
import GatewayDomain
import LedgerDomain
import LedgerStore
import Money
import ProcessingStore
import RiskDomain
import Testing
import Values

@testable import GatewayPage
@testable import RiskStore

@Suite struct TimelineTests {
  private let id = UniqueID(high: 1, low: 0x10)
  private let euro = Currency("EUR")!

  private func at(_ milliseconds: Int64) -> Timestamp { Timestamp(microseconds: milliseconds * 1_000) }

  private func standing(_ state: PaymentState, _ version: Int64, _ milliseconds: Int64) -> PaymentStanding {
    PaymentStanding(state: state, reason: nil, version: version, since: at(milliseconds))
  }

  private func transfer(_ kind: Transfer.Kind, _ milliseconds: Int64) -> WrittenTransfer {
    WrittenTransfer(
      transfer: Transfer(
        id: id, kind: kind, debit: UniqueID(high: 0, low: 1), credit: UniqueID(high: 0, low: 2),
        amount: Money(minorUnits: 5, euro), pendingID: kind == .pending ? nil : id), at: at(milliseconds))
  }

  private func names(_ timeline: Timeline) -> [String] {
    timeline.entries.map { entry in
      switch entry.happening {
      case .state(let standing, _): standing.state.rawValue
      case .decided: "decided"
      case .moved(let transfer): "\(transfer.kind)"
      case .asked: "asked"
      case .answered: "answered"
      case .refunded: "refunded"
      case .contradicted: "contradicted"
      case .seenTo: "seen to"
      case .told: "told"
      case .message(let entry): entry.what
      }
    }
  }

  /// The rows of one transaction carry its begin, or the moment of their own statement.
  @Test func causesStandBeforeEffects() {
    let decision = StoredDecision(
      record: RiskRecord(
        paymentID: id, facts: RiskFacts(method: .account, amount: Money(minorUnits: 5, euro)),
        evidence: .unavailable(.open), decision: RiskDecision(verdict: .allow, score: 0, reasons: [])),
      rules: "1", at: at(25))
    let attempt = PaymentTrail.Attempt(
      operationID: id, call: "charge", askedAt: at(22), answeredAt: at(90), answer: "approved", detail: nil)
    let timeline = Timeline(
      states: [standing(.created, 1, 0), standing(.processing, 2, 21), standing(.completed, 3, 85)], decision: decision,
      transfers: [transfer(.pending, 20), transfer(.post, 80)],
      trail: PaymentTrail(reviewer: nil, attempts: [attempt], refunds: [], exceptions: []))
    #expect(
      names(timeline) == [
        "CREATED", "decided", "pending", "PROCESSING", "asked", "answered", "post", "COMPLETED",
      ])
    // What is shown is what was written.
    #expect(timeline.entries.map(\.at) == [at(0), at(25), at(20), at(21), at(22), at(90), at(80), at(85)])
  }

  /// An event carries the begin of the transaction that wrote it, which the bank's answer is later than.
  @Test func eventsStandBehindWhatTheyTell() {
    let attempt = PaymentTrail.Attempt(
      operationID: id, call: "charge", askedAt: at(20), answeredAt: at(90), answer: "approved", detail: nil)
    let timeline = Timeline(
      states: [standing(.created, 1, 0), standing(.completed, 3, 85)], decision: nil, transfers: [],
      trail: PaymentTrail(reviewer: nil, attempts: [attempt], refunds: [], exceptions: []))
    let messages = [(85, "written"), (95, "published"), (97, "requeue")].map { moment, what in
      Story.Entry(at(moment), "event", what, ["topic": .text("t"), "partition": nil])
    }
    #expect(
      names(timeline.adding(messages)) == [
        "CREATED", "asked", "answered", "COMPLETED", "written", "published", "requeue",
      ])
    #expect(messages[0].fields == [Story.Field(name: "topic", value: .text("t"))])
  }

  @Test func theStateAfterAReviewNamesWhoDecided() {
    let timeline = Timeline(
      states: [standing(.created, 1, 0), standing(.review, 2, 10), standing(.processing, 3, 20)], decision: nil,
      transfers: [], trail: PaymentTrail(reviewer: "ann", attempts: [], refunds: [], exceptions: []))
    let requesters = timeline.entries.map { entry -> String? in
      guard case .state(_, let requester) = entry.happening else { return "no state" }
      return requester
    }
    #expect(requesters == [nil, nil, "ann"])
  }

  @Test func whatIsFarApartStaysInItsOrder() {
    let attempts = [
      PaymentTrail.Attempt(
        operationID: id, call: "charge", askedAt: at(10), answeredAt: at(9_000), answer: "unclear", detail: nil),
      PaymentTrail.Attempt(
        operationID: id, call: "inquire", askedAt: at(9_500), answeredAt: nil, answer: nil, detail: nil),
    ]
    let timeline = Timeline(
      states: [standing(.created, 1, 0), standing(.unknown, 3, 5_000)], decision: nil, transfers: [],
      trail: PaymentTrail(reviewer: nil, attempts: attempts, refunds: [], exceptions: []))
    #expect(names(timeline) == ["CREATED", "asked", "UNKNOWN", "answered", "asked"])
  }
}
