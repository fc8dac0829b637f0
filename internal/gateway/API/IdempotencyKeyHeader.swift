package import HTTPServer
internal import Values

/// The key that a caller gives to a call which must have one effect however often it is made: the header field
/// `Idempotency-Key`, bare (`a1b2`) or as a string (`"a1b2"`, draft-ietf-httpapi-idempotency-key-header).
package enum IdempotencyKeyHeader {
  /// The field.
  package static let name = "Idempotency-Key"
  /// In the answer to a call that was made before.
  package static let replayed = "Idempotency-Replayed"
  static let longest = 255

  /// - Returns: 1 to 255 printable ASCII characters.
  static func required(_ headers: HTTPHeaders) throws(Fault) -> String {
    guard let key = try optional(headers) else {
      throw Fault(
        400, .idempotencyKeyRequired,
        "expected the header field Idempotency-Key: a call that moves money must have one effect however often it is"
          + " made", field: name)
    }
    return key
  }

  /// - Returns: nil where there is none.
  package static func optional(_ headers: HTTPHeaders) throws(Fault) -> String? {
    let values = headers.values(name)
    guard let value = values.first else { return nil }
    guard values.count == 1, let key = parse(value) else {
      throw Fault(
        400, .idempotencyKeyInvalid,
        "expected one key of 1 to \(longest) printable ASCII characters, bare or in double quotes", field: name)
    }
    return key
  }

  /// A quoted key is the same as a bare one; within quotes a backslash stands before a quote or a backslash.
  private static func parse(_ value: String) -> String? {
    var bytes = Array(value.utf8)
    guard bytes.allSatisfy({ (0x20...0x7E).contains($0) }) else { return nil }
    if bytes.first == UInt8(ascii: "\"") {
      guard let content = unquoted(bytes) else { return nil }
      bytes = content
    }
    guard (1...longest).contains(bytes.count) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func unquoted(_ bytes: [UInt8]) -> [UInt8]? {
    var content: [UInt8] = []
    var rest = bytes.dropFirst()
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "\""): return rest.isEmpty ? content : nil
      case UInt8(ascii: "\\"):
        guard let next = rest.popFirst(), next == UInt8(ascii: "\"") || next == UInt8(ascii: "\\") else { return nil }
        content.append(next)
      default: content.append(byte)
      }
    }
    return nil
  }
}
