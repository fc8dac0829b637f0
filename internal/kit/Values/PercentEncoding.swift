/// Percent-encoding as in the user, password and database of an address (RFC 3986 section 2.1).
public enum PercentEncoding {
  /// The bytes that a text with `%XX` in it stands for; nil when a `%` is not followed by two hexadecimal digits.
  public static func decode(_ text: some StringProtocol) -> [UInt8]? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      let digits = rest.prefix(2).compactMap(UniqueID.hexValue)
      guard digits.count == 2 else { return nil }
      bytes.append(UInt8(digits[0] << 4 | digits[1]))
      rest = rest.dropFirst(2)
    }
    return bytes
  }
}
