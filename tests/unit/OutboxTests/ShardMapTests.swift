import Testing

@testable import Outbox

@Suite struct ShardMapTests {
  /// Golden, made by another implementation: a change here would put waiting events and new ones of a key into
  /// different shards.
  @Test(arguments: [("111", Int16(10)), ("1", 48), ("", 1), ("order-é", 60)])
  func keysKeepTheirShard(key: String, shard: Int16) {
    #expect(ShardMap(count: 64).shard(of: key) == shard)
  }

  @Test func keysAreSpreadEvenly() {
    let map = ShardMap(count: 64)
    var counts = [Int](repeating: 0, count: 64)
    for order in 1...64_000 { counts[Int(map.shard(of: String(order)))] += 1 }
    #expect(counts.allSatisfy { (700...1_300).contains($0) })
  }
}
