/// A UUID kept as its 16 bytes; text is made only at the edges (`uuidString` of Foundation costs 2.4 µs).
public struct UniqueID: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// The first eight bytes, big-endian.
  public var high: UInt64
  /// The last eight bytes, big-endian.
  public var low: UInt64

  /// Accepts any 16 bytes, whatever their version.
  @inlinable
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// A random (version 4) UUID, RFC 9562 section 5.4.
  @inlinable
  public static func random(using generator: inout some RandomNumberGenerator) -> UniqueID {
    UniqueID(
      high: generator.next() & 0xFFFF_FFFF_FFFF_0FFF | 0x4000,
      low: generator.next() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000)
  }

  /// A random UUID from the system's generator. Callable on any thread.
  public static func random() -> UniqueID {
    var generator = RandomSource()
    return random(using: &generator)
  }

  /// A UUID of version 8 (RFC 9562 section 5.8) made of a digest, so that equal content has one id.
  /// - Parameter digest: at least 16 bytes; more are passed over.
  public init(digest: [UInt8]) { self.init(digest, version: 8) }

  /// A UUID of version 5 (RFC 9562 section 5.5), by which a name is always the same id.
  /// - Parameter digest: the SHA-1 of the namespace's 16 bytes and the name.
  public init(nameDigest digest: [UInt8]) { self.init(digest, version: 5) }

  private init(_ digest: [UInt8], version: UInt64) {
    precondition(digest.count >= 16, "a digest has 16 bytes at least")
    let words = [digest[0..<8], digest[8..<16]].map { $0.reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
    self.init(
      high: words[0] & 0xFFFF_FFFF_FFFF_0FFF | version << 12,
      low: words[1] & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000)
  }

  /// Parses the 36-character form, upper or lower case; anything else gives nil.
  public init?(_ text: some StringProtocol) {
    self.init(utf8: text.utf8)
  }

  /// Parses the bytes of the 36-character form, upper or lower case; anything else gives nil.
  public init?(utf8 bytes: some Collection<UInt8>) {
    let parsed = bytes.withContiguousBytes { Self.parse($0) }
    guard let parsed else { return nil }
    self = parsed
  }

  private static func parse(_ text: UnsafeBufferPointer<UInt8>) -> UniqueID? {
    guard text.count == 36 else { return nil }
    var words: (UInt64, UInt64) = (0, 0)
    for position in 0..<36 {
      let byte = text[position]
      if position == 8 || position == 13 || position == 18 || position == 23 {
        guard byte == UInt8(ascii: "-") else { return nil }
        continue
      }
      guard let digit = Hexadecimal.value(of: byte) else { return nil }
      // Sixteen digits and two hyphens.
      if position < 18 { words.0 = words.0 << 4 | UInt64(digit) } else { words.1 = words.1 << 4 | UInt64(digit) }
    }
    return UniqueID(high: words.0, low: words.1)
  }

  @inlinable
  public static func < (left: UniqueID, right: UniqueID) -> Bool {
    (left.high, left.low) < (right.high, right.low)
  }

  /// The 36-character lower-case form.
  public var description: String {
    String(unsafeUninitializedCapacity: Self.textLength) { text in
      write(to: text)
      return Self.textLength
    }
  }

  /// Appends the 36-character lower-case form to `bytes`.
  public func append(to bytes: inout [UInt8]) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.textLength) { text in
      write(to: text)
      bytes.append(contentsOf: text)
    }
  }

  private static let textLength = 36

  private func write(to text: UnsafeMutableBufferPointer<UInt8>) {
    var place = 0
    for nibble in 0..<32 {
      if nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20 {
        text[place] = UInt8(ascii: "-")
        place += 1
      }
      let word = nibble < 16 ? high : low
      text[place] = Hexadecimal.digit(UInt8(truncatingIfNeeded: word >> UInt64(60 - nibble % 16 * 4) & 0xF))
      place += 1
    }
  }
}
