import Testing

@testable import Kafka

@Suite struct KeyPartitionerTests {
  /// Of org.apache.kafka.common.utils.UtilsTest: murmur2 of these bytes; made positive, modulo a large prime.
  @Test(arguments: [
    ("21", -973_932_308), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536),
    ("a-little-bit-longer-string", -1_486_304_829), ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
    ("abc", 479_470_107),
  ])
  func keysGoWhereKafkaPutsThem(text: String, hash: Int32) {
    let key = Array(text.utf8)
    #expect(Int32(bitPattern: KeyPartitioner.murmur2(key)) == hash)
    #expect(KeyPartitioner.partition(of: key, count: 1_000_003) == (hash & 0x7FFF_FFFF) % 1_000_003)
  }
}
