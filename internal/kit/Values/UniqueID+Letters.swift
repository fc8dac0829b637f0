/// A UUID in 22 letters: base64url (RFC 4648 section 5) of its bytes, without padding.
extension UniqueID {
  /// Letters of one id.
  public static let letterCount = 22
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  /// Appends the 22 letters to `bytes`: 128 bits, six to a letter, the last letter with two.
  public func appendLetters(to bytes: inout [UInt8]) {
    var (high, low) = (high, low)
    for _ in 0..<Self.letterCount {
      bytes.append(Self.alphabet[Int(high >> 58)])
      high = high << 6 | low >> 58
      low <<= 6
    }
  }

  /// Reads what `appendLetters` writes; anything else gives nil.
  public init?(letters: some Collection<UInt8>) {
    let read = letters.withContiguousBytes { Self.read($0) }
    guard let read else { return nil }
    self = read
  }

  private static func read(_ letters: UnsafeBufferPointer<UInt8>) -> UniqueID? {
    guard letters.count == Self.letterCount else { return nil }
    var (high, low): (UInt64, UInt64) = (0, 0)
    for index in 0..<letters.count {
      guard let value = Self.alphabet.firstIndex(of: letters[index]) else { return nil }
      let isLast = index == Self.letterCount - 1
      if isLast, value & 0xF != 0 { return nil }
      let bits: UInt64 = isLast ? 2 : 6
      high = high << bits | low >> (64 - bits)
      low = low << bits | UInt64(isLast ? value >> 4 : value)
    }
    return UniqueID(high: high, low: low)
  }
}
