/// Bytes as hexadecimal digits.
public enum Hexadecimal {
  /// Two lower-case digits a byte.
  public static func text(_ bytes: some Collection<UInt8>) -> String {
    bytes.withContiguousBytes { bytes in
      String(unsafeUninitializedCapacity: bytes.count * 2) { text in
        for place in 0..<bytes.count {
          text[2 * place] = digit(bytes[place] >> 4)
          text[2 * place + 1] = digit(bytes[place] & 0xF)
        }
        return bytes.count * 2
      }
    }
  }

  /// The lower-case digit of four bits.
  static func digit(_ nibble: UInt8) -> UInt8 {
    nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") - 10 + nibble
  }

  /// What a digit stands for, in upper or lower case; nil for what is none.
  public static func value(of digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }

  /// The bytes that digits stand for, two each; nil for an odd number of them, and for other characters.
  public static func bytes(_ digits: some Collection<UInt8>) -> [UInt8]? {
    digits.withContiguousBytes { digits in
      guard digits.count % 2 == 0 else { return nil }
      var bytes: [UInt8] = []
      bytes.reserveCapacity(digits.count / 2)
      for place in stride(from: 0, to: digits.count, by: 2) {
        guard let high = value(of: digits[place]), let low = value(of: digits[place + 1]) else { return nil }
        bytes.append(high << 4 | low)
      }
      return bytes
    }
  }
}
