import Metrics
import Testing
import Values

@testable import Outbox

/// What one process tells of an outbox is true or is left out.
@Suite struct OutboxGaugesTests {
  private func look(at: Instant, oldest: Timestamp?, now: Timestamp) -> OutboxGauges.Look {
    OutboxGauges.Look(
      status: OutboxStatus(reasons: [.topicPaused: 3], dead: 0, pausedTopics: 1, oldestWaiting: oldest, now: now),
      figures: OutboxFigures(
        unleasedShards: 2, firstLeaseEnd: nil, liveRelays: 1, deadRows: 7, oldestSnapshot: 0.5),
      at: at, moment: Timestamp(microseconds: 1_000_000))
  }

  @Test func aLookIsToldWhileItIsBelieved() throws {
    let gauges = OutboxGauges()
    let metrics = MetricsRegistry()
    gauges.register(metrics, try OutboxTables(channel: "test"))
    #expect(!metrics.exposition().contains("\noutbox_waiting_events "))
    let now = Timestamp(microseconds: 9_000_000)
    gauges.show(look(at: .now(), oldest: Timestamp(microseconds: 4_000_000), now: now))
    let text = metrics.exposition()
    #expect(text.contains("\noutbox_waiting_events 3\n") && text.contains("\noutbox_paused_topics 1\n"))
    #expect(text.contains("\noutbox_blocked_events{reason=\"topic_paused\"} 3\n"))
    // It has waited since.
    #expect(text.contains("\noutbox_oldest_waiting_seconds 5."))
    // Nobody has a shard: there is no end to tell.
    #expect(!text.contains("\noutbox_first_lease_end_seconds "))
    #expect(text.contains("\noutbox_status_timestamp_seconds 1\n"))
    // Another process may tell from here on, or none: the time of the last look says which.
    gauges.show(nil)
    let later = metrics.exposition()
    #expect(!later.contains("\noutbox_waiting_events "))
    #expect(later.contains("\noutbox_status_timestamp_seconds 1\n"))
  }

  @Test func aLookThatIsTooOldIsLeftOutAndItsTimeIsTold() throws {
    let gauges = OutboxGauges()
    let metrics = MetricsRegistry()
    gauges.register(metrics, try OutboxTables(channel: "test"))
    let moment = Timestamp(microseconds: 9_000_000)
    gauges.show(look(at: .now() - OutboxGauges.lifetime - .seconds(1), oldest: nil, now: moment))
    let text = metrics.exposition()
    for name in ["waiting_events", "dead_events", "oldest_waiting_seconds", "paused_topics", "live_relays"] {
      #expect(!text.contains("\noutbox_\(name) "))
    }
    #expect(text.contains("\noutbox_status_timestamp_seconds 1\n"))
  }
}
