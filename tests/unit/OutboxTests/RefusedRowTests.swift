import Testing
import Values

@testable import Outbox

/// Rows that cannot be read as events: refused like what a broker refuses, in the order of their keys.
@Suite struct RefusedRowTests {
  private func refused(_ id: Int64, key: String) -> WaitingEvent {
    WaitingEvent(
      id: id, shard: 0, eventID: UniqueID(high: 0, low: UInt64(id)), key: key, sequence: id, topic: "payment",
      payload: [],
      headers: [], createdAt: Timestamp(microseconds: 0), fault: "headers is NULL")
  }

  @Test func aRowThatCannotBePublishedIsDeadWithoutTheBrokersWord() {
    var relay = RelayHarness()
    relay.own([0])
    relay.answerRead([refused(1, key: "a"), RelayHarness.event(2, key: "a"), RelayHarness.event(3, key: "b")])
    #expect(relay.published.map(\.event.id) == [3])
    #expect(relay.completions.last?.isDead == true)
    #expect(relay.completions.last?.items.map(\.refusal) == ["headers is NULL"])
    relay.finishCompletion()
    // What is behind it waits in the table.
    #expect(relay.core.window.eventCount == 1)
  }

  @Test func itIsRefusedOnlyAfterWhatIsBeforeItInItsKey() {
    var relay = RelayHarness()
    relay.own([0])
    relay.answerRead([RelayHarness.event(1, key: "a"), refused(2, key: "a"), RelayHarness.event(3, key: "a")])
    #expect(relay.published.map(\.event.id) == [1] && relay.completions.isEmpty)
    relay.answer(relay.published[0])
    #expect(relay.published.map(\.event.id) == [1])
    #expect(relay.completions.last?.isDead == true && relay.completions.last?.items.map(\.id) == [2])
    relay.finishCompletion()
    #expect(relay.completions.last?.isDead == false && relay.completions.last?.items.map(\.id) == [1])
    relay.finishCompletion()
    #expect(relay.core.window.isEmpty)
  }

  @Test func theKeyGoesOnWhenToldSo() {
    var rules = RelayHarness.rules
    rules.onDead = .continue
    var relay = RelayHarness(rules: rules)
    relay.own([0])
    relay.answerRead([refused(1, key: "a"), RelayHarness.event(2, key: "a")])
    #expect(relay.published.isEmpty)
    relay.finishCompletion()
    #expect(relay.published.map(\.event.id) == [2])
  }
}
