/// Writes JSON text (RFC 8259) into a byte buffer without Foundation.
public enum JSONWriter {
  /// Appends `text` as a JSON string, quotes included. Quotes, backslashes and control characters are escaped as RFC
  /// 8259 requires, and so are the other hidden characters, so that the JSON can be shown on a terminal.
  public static func appendString(_ text: String, to bytes: inout [UInt8]) {
    var text = text
    text.withUTF8 { appendString($0, to: &bytes) }
  }

  private static func appendString(_ text: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    // What stands as it is goes in pieces.
    var start = 0
    var index = 0
    while index < text.count {
      let byte = text[index]
      let needsBackslash = byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
      let hidden = VisibleText.hidden(at: index, in: text)
      guard needsBackslash || hidden != nil else {
        index += 1
        continue
      }
      bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[start..<index]))
      switch byte {
      case 0x0A: bytes += "\\n".utf8
      case 0x0D: bytes += "\\r".utf8
      case 0x09: bytes += "\\t".utf8
      default:
        if let hidden {
          VisibleText.appendEscape(hidden.scalar, to: &bytes)
        } else {
          bytes.append(UInt8(ascii: "\\"))
          bytes.append(byte)
        }
      }
      index += hidden?.length ?? 1
      start = index
    }
    bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[start...]))
    bytes.append(UInt8(ascii: "\""))
  }

  /// Appends a decimal integer.
  public static func appendInteger(_ value: Int64, to bytes: inout [UInt8]) {
    if value < 0 { bytes.append(UInt8(ascii: "-")) }
    var rest = value.magnitude
    let start = bytes.count
    repeat {
      bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
      rest /= 10
    } while rest > 0
    bytes[start...].reverse()
  }
}
