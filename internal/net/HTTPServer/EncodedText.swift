internal import Values

/// Percent-encoded text in a target, strictly: visible ASCII that stands for UTF-8 without NUL.
enum EncodedText {
  /// Why text cannot be decoded; the words go to the caller, so they name no value.
  struct Fault: Error, Hashable {
    let message: String
  }

  /// The text that encoded bytes stand for.
  /// - Parameter plusIsSpace: as forms and queries have it.
  static func decode(_ bytes: some Collection<UInt8>, plusIsSpace: Bool = false) throws(Fault) -> String {
    guard bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw Fault(message: "a byte that must be percent-encoded is not")
    }
    let isPlus = { (byte: UInt8) in plusIsSpace && byte == UInt8(ascii: "+") }
    let text = String(decoding: bytes.lazy.map { isPlus($0) ? UInt8(ascii: " ") : $0 }, as: UTF8.self)
    guard bytes.contains(UInt8(ascii: "%")) else { return text }
    guard let decoded = PercentEncoding.decode(text) else {
      throw Fault(message: "a percent sign is not followed by two hexadecimal digits")
    }
    // No database keeps such text, and whoever reads it as C does ends there.
    guard !decoded.contains(0) else { throw Fault(message: "a percent-encoded NUL") }
    guard let valid = String(validating: decoded, as: UTF8.self) else {
      throw Fault(message: "percent-encoded bytes are no UTF-8")
    }
    return valid
  }
}
