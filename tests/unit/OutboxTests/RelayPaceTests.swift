import Testing
import Values

@testable import Outbox

/// A relay alone with an event acts at once; under load each of its statements carries more.
@Suite struct RelayPaceTests {
  private static let rules = {
    var rules = RelayHarness.rules
    rules.completionInterval = .milliseconds(10)
    rules.readInterval = .milliseconds(3)
    rules.manyEvents = 3
    return rules
  }()

  private var relay: RelayHarness = {
    var relay = RelayHarness(rules: rules)
    relay.own([0])
    return relay
  }()

  private func events(_ ids: ClosedRange<Int64>) -> [WaitingEvent] {
    ids.map { RelayHarness.event($0, key: "\($0)") }
  }

  @Test mutating func `a lone event is completed at once, and what comes soon after it together`() {
    relay.answerRead(events(1...4))
    relay.answer(relay.published[0])
    #expect(relay.completions.map(\.items.count) == [1])
    relay.advance(.milliseconds(2))
    relay.finishCompletion()
    for request in relay.published.dropFirst() { relay.answer(request) }
    #expect(relay.completions.count == 1)
    #expect(relay.core.nextDeadline(now: relay.now) == relay.now + .milliseconds(8))
    relay.advance(.milliseconds(8))
    #expect(relay.completions.map(\.items.count) == [1, 3])
  }

  @Test mutating func `a completion that took long is followed at once`() {
    relay.answerRead(events(1...2))
    relay.answer(relay.published[0])
    relay.advance(.milliseconds(11))
    relay.answer(relay.published[1])
    relay.finishCompletion()
    #expect(relay.completions.map(\.items.count) == [1, 1])
  }

  @Test mutating func `many acknowledged events do not wait for the pace`() {
    relay.answerRead(events(1...40))
    relay.answer(relay.published[0])
    relay.finishCompletion()
    // A quarter of a completion's 50.
    for request in relay.published[1...12] { relay.answer(request) }
    #expect(relay.completions.count == 1)
    relay.answer(relay.published[13])
    #expect(relay.completions.map(\.items.count) == [1, 13])
  }

  @Test mutating func `without events to complete the pace wakes nobody`() {
    relay.answerRead(events(1...1))
    relay.answer(relay.published[0])
    relay.finishCompletion()
    #expect(relay.core.nextDeadline(now: relay.now) > relay.now + .milliseconds(10))
  }

  @Test mutating func `after a failed completion many events wait all the same`() {
    relay.answerRead(events(1...40))
    relay.answer(relay.published[0])
    relay.send(.completionFailed(relay.completions[0]))
    for request in relay.published.dropFirst() { relay.answer(request) }
    #expect(relay.completions.count == 1)
    relay.advance(.milliseconds(250))
    #expect(relay.completions.map(\.items.count) == [1, 40])
  }

  @Test mutating func `after a read of few events a wake is followed at once`() {
    relay.answerRead(events(1...2))
    let reads = relay.reads.count
    relay.send(.wake)
    #expect(relay.reads.count == reads + 1)
  }

  @Test mutating func `after a read of many events wakes wait for the pace`() {
    relay.advance(.milliseconds(1))
    relay.send(.wake)
    relay.answerRead(events(1...3))
    let reads = relay.reads.count
    relay.send(.wake)
    #expect(relay.reads.count == reads)
    #expect(relay.core.nextDeadline(now: relay.now) == relay.now + .milliseconds(2))
    relay.advance(.milliseconds(1))
    relay.send(.wake)
    #expect(relay.reads.count == reads)
    relay.advance(.milliseconds(1))
    #expect(relay.reads.count == reads + 1)
  }

  @Test mutating func `a read that may have left events behind is followed at once`() {
    let limit = relay.reads[0].shards[0].limit
    relay.answerRead(events(1...Int64(limit)))
    #expect(relay.reads.count == 2)
  }
}
