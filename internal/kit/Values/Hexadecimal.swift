/// Bytes as hexadecimal digits.
public enum Hexadecimal {
  /// Two lower-case digits a byte.
  public static func text(_ bytes: some Collection<UInt8>) -> String {
    String(unsafeUninitializedCapacity: bytes.count * 2) { text in
      var place = 0
      for byte in bytes {
        text[place] = digit(byte >> 4)
        text[place + 1] = digit(byte & 0xF)
        place += 2
      }
      return place
    }
  }

  private static func digit(_ nibble: UInt8) -> UInt8 {
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
    let values = digits.compactMap(value)
    guard values.count == digits.count, values.count % 2 == 0 else { return nil }
    return stride(from: 0, to: values.count, by: 2).map { values[$0] << 4 | values[$0 + 1] }
  }
}
