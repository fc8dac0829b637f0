/// Makes text of any origin safe for a log line or a terminal: nothing in it moves the cursor, breaks the line or
/// changes the direction of the text beside it.
///
/// Hidden characters are C0, DEL and C1, the line and paragraph separators, and the marks of the bidirectional
/// algorithm (Unicode TR9: U+061C, U+200E, U+200F, U+202A…U+202E, U+2066…U+2069). They are written as JSON writes
/// them: `\u202e`.
/// It works on bytes, not characters, so that text which is not UTF-8 is handled too.
public enum VisibleText {
  /// `text` with its hidden characters escaped.
  public static func escaped(_ text: String) -> String {
    if !text.utf8.contains(where: { $0 < 0x20 || $0 >= 0x7F }) { return text }
    var bytes: [UInt8] = []
    append(text, to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Appends `text` with its hidden characters escaped.
  public static func append(_ text: String, to bytes: inout [UInt8]) {
    var text = text
    text.withUTF8 { append($0, to: &bytes) }
  }

  /// Appends the bytes of a text with its hidden characters escaped.
  public static func append(_ text: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8]) {
    var start = 0
    var index = 0
    while index < text.count {
      guard let (scalar, length) = hidden(at: index, in: text) else {
        index += 1
        continue
      }
      bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[start..<index]))
      appendEscape(scalar, to: &bytes)
      index += length
      start = index
    }
    bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[start...]))
  }

  /// The hidden character that begins at `index`, and how many bytes it has; nil for every other byte.
  static func hidden(at index: Int, in text: UnsafeBufferPointer<UInt8>) -> (scalar: UInt16, length: Int)? {
    let first = text[index]
    switch first {
    case 0..<0x20, 0x7F: return (UInt16(first), 1)
    // What follows decides; most text ends here.
    case 0xC2, 0xD8:
      guard index + 1 < text.count, text[index + 1] & 0xC0 == 0x80 else { return nil }
      let scalar = UInt16(first & 0x1F) << 6 | UInt16(text[index + 1] & 0x3F)
      return isHidden(scalar) ? (scalar, 2) : nil
    case 0xE2:
      guard index + 2 < text.count, text[index + 1] & 0xC0 == 0x80, text[index + 2] & 0xC0 == 0x80 else { return nil }
      let scalar = UInt16(first & 0x0F) << 12 | UInt16(text[index + 1] & 0x3F) << 6 | UInt16(text[index + 2] & 0x3F)
      return isHidden(scalar) ? (scalar, 3) : nil
    default: return nil
    }
  }

  private static func isHidden(_ scalar: UInt16) -> Bool {
    switch scalar {
    case 0x80..<0xA0, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
    default: false
    }
  }

  /// `\u` and four hexadecimal digits, as RFC 8259 has it.
  static func appendEscape(_ scalar: UInt16, to bytes: inout [UInt8]) {
    bytes += "\\u".utf8
    for shift in [12, 8, 4, 0] {
      let nibble = UInt8(scalar >> UInt16(shift) & 0xF)
      bytes.append(nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") - 10 + nibble)
    }
  }
}
