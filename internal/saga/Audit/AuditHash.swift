/// Hashes for the audit's tables; not for anything an adversary may choose freely.
enum AuditHash {
  private static let factor: UInt64 = 0x9E37_79B9_7F4A_7C15

  /// Hash of any bytes, eight at a time.
  static func of(_ bytes: [UInt8]) -> UInt64 {
    bytes.withUnsafeBytes { bytes in
      var hash = UInt64(bytes.count) &* factor
      var position = 0
      while position + 8 <= bytes.count {
        hash = mix(hash ^ bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
        position += 8
      }
      var rest: UInt64 = 0
      while position < bytes.count {
        rest = rest << 8 | UInt64(bytes[position])
        position += 1
      }
      return mix(hash ^ rest)
    }
  }

  /// Spreads the bits of one word.
  static func mix(_ word: UInt64) -> UInt64 {
    let product = word.multipliedFullWidth(by: factor)
    return product.high ^ product.low ^ (word >> 29)
  }
}

/// An open-addressing index of positions in an array that its owner keeps: four bytes a slot.
struct PositionIndex {
  private var slots: [UInt32]
  private var count = 0

  init(capacity: Int) {
    var size = 1_024
    while size * 3 < capacity * 4 { size *= 2 }
    slots = Array(repeating: .max, count: size)
  }

  /// The position whose entry has this hash and passes `isSame`.
  func find(_ hash: UInt64, _ isSame: (Int) -> Bool) -> Int? {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash) & mask
    while slots[slot] != .max {
      if isSame(Int(slots[slot])) { return Int(slots[slot]) }
      slot = (slot + 1) & mask
    }
    return nil
  }

  /// Adds a position that is not there yet.
  /// - Parameter hashOf: the hash of a position, asked when the index grows.
  mutating func insert(_ position: Int, hash: UInt64, hashOf: (Int) -> UInt64) {
    precondition(position < UInt32.max, "an audit holds at most 4 billion events")
    if (count + 1) * 4 > slots.count * 3 {
      let old = slots
      slots = Array(repeating: .max, count: old.count * 2)
      for entry in old where entry != .max { place(entry, hashOf(Int(entry))) }
    }
    place(UInt32(position), hash)
    count += 1
  }

  private mutating func place(_ entry: UInt32, _ hash: UInt64) {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash) & mask
    while slots[slot] != .max { slot = (slot + 1) & mask }
    slots[slot] = entry
  }
}
