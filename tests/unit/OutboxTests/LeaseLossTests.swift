import Testing
import Values

@testable import Outbox

/// Whether a lost lease is somebody's fault, or an operator's action.
@Suite("Lost leases")
struct LeaseLossTests {
  /// A relay with shards 0 and 1, which the database no longer knows under their epochs.
  private func fenced() -> RelayHarness {
    var relay = RelayHarness()
    relay.own([0, 1])
    relay.answerRead([], held: [])
    #expect(relay.purges == 1 && relay.losses.isEmpty && relay.recalls == 0)
    return relay
  }

  @Test func anOperatorsActionIsNoLoss() {
    var relay = fenced()
    var report = LeaseReport(history: relay.history, shardCount: 4)
    report.claimed = [ShardEpoch(shard: 0, epoch: 2), ShardEpoch(shard: 1, epoch: 2)]
    report.recalled = [0, 1]
    relay.send(.leases(report, sentAt: relay.now))
    #expect(relay.recalls == 2 && relay.losses.isEmpty)
  }

  @Test func aShardThatAnotherRelayHadIsLost() {
    var relay = fenced()
    var report = LeaseReport(history: relay.history, shardCount: 4)
    report.claimed = [ShardEpoch(shard: 0, epoch: 3)]
    relay.send(.leases(report, sentAt: relay.now))
    #expect(relay.recalls == 0 && relay.losses.map(\.loss) == [.taken] && relay.losses.map(\.shards) == [1])
    // The other shard is not claimed: the first answer may be one to a request from before the loss.
    relay.advance(.seconds(1))
    relay.send(.leases(LeaseReport(history: relay.history, shardCount: 4), sentAt: relay.now))
    #expect(relay.losses.map(\.loss) == [.taken, .taken])
  }

  @Test func theReasonOfALossIsTold() {
    var late = RelayHarness()
    late.own([0])
    late.advance(.seconds(60))
    #expect(late.losses.map(\.loss) == [.expired])

    var moved = RelayHarness()
    moved.own([0, 1])
    moved.history = ServerHistory(name: "two")
    moved.answerRead([])
    #expect(moved.losses.map(\.loss) == [.otherServer] && moved.losses.map(\.shards) == [2])
  }
}
