public import Values

/// Where a list goes on: opaque to callers, with a checksum so that a mistyped one is refused. It is no secret: an id
/// within it opens nothing that the list without it does not show.
public struct PaymentCursor: Sendable, Hashable {
  /// The last payment that was looked at.
  public let id: UniqueID

  /// A cursor behind a payment.
  public init(_ id: UniqueID) { self.id = id }

  /// 32 hexadecimal digits of the id and 8 of its checksum.
  public var text: String { Hexadecimal.text(Self.bytes(id.high, 8) + Self.bytes(id.low, 8) + Self.bytes(checksum, 4)) }

  /// Reads what `text` makes; nil for anything else.
  public init?(_ text: String) {
    let digits = Array(text.utf8)
    guard digits.count == 40, digits.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }),
      let high = UInt64(String(decoding: digits[..<16], as: UTF8.self), radix: 16),
      let low = UInt64(String(decoding: digits[16..<32], as: UTF8.self), radix: 16)
    else { return nil }
    self.init(UniqueID(high: high, low: low))
    guard self.text == text else { return nil }
  }

  /// FNV-1a (32 bit) of the id.
  private var checksum: UInt64 {
    let bytes = Self.bytes(id.high, 8) + Self.bytes(id.low, 8)
    return UInt64(bytes.reduce(0x811C_9DC5 as UInt32) { ($0 ^ UInt32($1)) &* 0x0100_0193 })
  }

  private static func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - $0))) }
  }
}
