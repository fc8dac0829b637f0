import Testing
import Values

@testable import Outbox

/// The database refuses to complete an event, for the values of its row: the other events are completed all the same.
@Suite struct RefusedCompletionTests {
  /// A relay whose ten events of ten keys were acknowledged at once.
  private func tenAcknowledged() -> RelayHarness {
    var relay = RelayHarness()
    relay.own([0, 1])
    relay.answerRead((1...10).map { RelayHarness.event($0, key: "k\($0)", shard: Int16($0 % 2)) })
    // The first completion has one event; the other nine are gathered meanwhile.
    for request in relay.published { relay.answer(request) }
    return relay
  }

  private func moved(_ relay: RelayHarness) -> Set<Int64> {
    Set(relay.completions.flatMap(\.items).map(\.id)).subtracting(relay.setAside)
  }

  @Test func aRowThatCannotBeMovedStopsNoOther() {
    var relay = tenAcknowledged()
    relay.finishCompletions(refusing: [4, 7])
    #expect(relay.setAside.sorted() == [4, 7])
    #expect(moved(relay) == Set(1...10).subtracting([4, 7]))
    #expect(relay.core.window.eventCount == 2)
    // No more statements than halving needs: nine events, two of them found.
    #expect(relay.completions.count <= 14, "\(relay.completions.count)")
    #expect(relay.completions.allSatisfy { request in request.leases.allSatisfy { $0.epoch == 1 } })
  }

  @Test func anEventSetAsideIsTriedAgainAloneAndNotPublishedAgain() {
    var relay = tenAcknowledged()
    relay.finishCompletions(refusing: [4])
    let (published, completions) = (relay.published.count, relay.completions.count)
    relay.send(.wake)
    relay.answerRead([RelayHarness.event(4, key: "k4")])
    #expect(relay.core.nextDeadline(now: relay.now) > relay.now)
    renew(&relay, for: RelayHarness.rules.asideDelay)
    #expect(relay.completions.count == completions + 1)
    #expect(relay.completions.last?.items.map(\.id) == [4])
    relay.finishCompletions(refusing: [])
    #expect(relay.core.window.isEmpty)
    #expect(relay.published.count == published)
  }

  /// Through a completion that failed, one that was refused, and the time aside.
  @Test func whereAnEventLiesIsKeptUntilItIsCompleted() {
    var relay = RelayHarness()
    relay.own([0, 1])
    relay.answerRead((1...3).map { RelayHarness.event($0, key: "k\($0)", shard: 0) })
    for request in relay.published {
      relay.answer(request, at: MessagePlace(partition: 7, offset: request.event.id * 100))
    }
    relay.send(.completionFailed(relay.completions[0]))
    renew(&relay, for: .seconds(1))
    relay.finishCompletions(refusing: [2])
    renew(&relay, for: RelayHarness.rules.asideDelay)
    relay.finishCompletions(refusing: [])
    #expect(relay.core.window.isEmpty && relay.setAside == [2])
    let items = relay.completions.flatMap(\.items)
    #expect(items.count > 3 && items.allSatisfy { $0.place == MessagePlace(partition: 7, offset: $0.id * 100) })
  }

  /// Its shard can be given away: the next owner publishes it again.
  @Test func anEventSetAsideStopsNoEnd() {
    var relay = tenAcknowledged()
    relay.finishCompletions(refusing: [4])
    #expect(relay.core.window.eventCount == 1)
    relay.send(.stop)
    relay.answerRead([])
    relay.send(.leases(LeaseReport(history: relay.history, shardCount: 4), sentAt: relay.now))
    #expect(relay.releases.count == 1)
  }

  @Test func aRefusedEventThatCannotBeDeadHoldsItsKey() {
    var relay = RelayHarness()
    relay.own([0])
    relay.answerRead([
      RelayHarness.event(1, key: "a"), RelayHarness.event(2, key: "a"), RelayHarness.event(3, key: "b"),
    ])
    relay.answer(relay.published[0], .permanent("too large", isCertain: true))
    relay.finishCompletions(refusing: [1])
    #expect(relay.setAside == [1])
    relay.answer(relay.published[1])
    relay.finishCompletions(refusing: [1])
    relay.send(.wake)
    relay.answerRead([RelayHarness.event(1, key: "a"), RelayHarness.event(2, key: "a")])
    #expect(relay.published.map(\.event.id) == [1, 3])
    #expect(relay.core.window.eventCount == 1)
  }

  /// The answer was lost: nothing is known of any row, so all are asked for again together.
  @Test func aCompletionOfUnknownFateIsNotSplit() {
    var relay = tenAcknowledged()
    relay.finishCompletion()
    let whole = relay.completions.last
    #expect(whole?.items.count == 9)
    if let whole { relay.send(.completionFailed(whole)) }
    relay.advance(.milliseconds(250))
    #expect(relay.completions.last?.items == whole?.items)
  }

  /// Lets time pass with leases that are renewed.
  private func renew(_ relay: inout RelayHarness, for duration: Duration) {
    let end = relay.now + duration
    while relay.now < end {
      relay.advance(.seconds(1))
      relay.answerRead([])
      var report = LeaseReport(history: relay.history, shardCount: 4)
      report.renewed = relay.leaseRequests.last?.renew ?? []
      relay.send(.leases(report, sentAt: relay.now))
    }
  }
}
