/// Where producers put a key that `murmur2_random` of librdkafka places, as Java clients do by default; `KafkaProducer`
/// is one of them. For what has to know it without producing. Callable on any thread.
public enum KeyPartitioner {
  /// The partition of a key.
  /// - Parameter count: of the topic's partitions, at least 1.
  public static func partition(of key: [UInt8], count: Int) -> Int32 {
    Int32((murmur2(key) & 0x7FFF_FFFF) % UInt32(count))
  }

  /// MurmurHash2 with the seed of `org.apache.kafka.common.utils.Utils.murmur2`.
  static func murmur2(_ key: [UInt8]) -> UInt32 {
    let factor: UInt32 = 0x5BD1_E995
    var hash: UInt32 = 0x9747_B28C ^ UInt32(truncatingIfNeeded: key.count)
    var position = 0
    while position + 4 <= key.count {
      var word = UInt32(key[position]) | UInt32(key[position + 1]) << 8
      word |= UInt32(key[position + 2]) << 16 | UInt32(key[position + 3]) << 24
      word = word &* factor
      word ^= word >> 24
      hash = hash &* factor ^ (word &* factor)
      position += 4
    }
    if position < key.count {
      for index in position..<key.count { hash ^= UInt32(key[index]) << UInt32(8 * (index - position)) }
      hash = hash &* factor
    }
    hash ^= hash >> 13
    hash = hash &* factor
    return hash ^ hash >> 15
  }
}
