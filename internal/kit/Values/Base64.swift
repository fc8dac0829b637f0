/// Base64 (RFC 4648 section 4): padded or not when read, not padded when written unless asked for.
public enum Base64 {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  private static let values: [UInt8] = {
    var values = [UInt8](repeating: 0xFF, count: 256)
    for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
    return values
  }()

  /// The text.
  /// - Parameter isPadded: fills it up to a multiple of four characters.
  public static func encode(_ bytes: [UInt8], isPadded: Bool = false) -> [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count * 4 + 2) / 3)
    var bits: UInt32 = 0
    var count = 0
    for byte in bytes {
      bits = bits << 8 | UInt32(byte)
      count += 8
      while count >= 6 {
        count -= 6
        text.append(alphabet[Int(bits >> UInt32(count) & 63)])
      }
    }
    if count > 0 { text.append(alphabet[Int(bits << UInt32(6 - count) & 63)]) }
    while isPadded, text.count % 4 != 0 { text.append(UInt8(ascii: "=")) }
    return text
  }

  /// - Returns: nil for characters outside the alphabet, misplaced padding, an impossible length or stray bits.
  public static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
    var body = Array(text)
    var padding = 0
    while body.last == UInt8(ascii: "="), padding < 2 {
      body.removeLast()
      padding += 1
    }
    guard body.count % 4 != 1, padding == 0 || (body.count + padding) % 4 == 0 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(body.count * 3 / 4)
    var bits: UInt32 = 0
    var count = 0
    for character in body {
      let value = values[Int(character)]
      if value == 0xFF { return nil }
      bits = bits << 6 | UInt32(value)
      count += 6
      if count >= 8 {
        count -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
      }
    }
    return bits & (1 << UInt32(count) - 1) == 0 ? bytes : nil
  }
}
