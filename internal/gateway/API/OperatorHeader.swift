internal import HTTPServer

/// Who runs the command that makes a call: the header field `Paysaga-Operator`. It proves nothing, so audit trails have
/// it behind the API key's name.
enum OperatorHeader {
  /// The field.
  static let name = "Paysaga-Operator"
  /// The longest name, in bytes: with an API key's it fits into a column of 255.
  static let longest = 128

  /// Whether a text may be the field's value: 1 to `longest` printable ASCII characters.
  static func isValue(_ text: String) -> Bool {
    (1...longest).contains(text.utf8.count) && text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
  }

  /// - Returns: nil where there is none, and for what is no name.
  static func value(_ headers: HTTPHeaders) -> String? {
    let values = headers.values(name)
    guard values.count == 1, let value = values.first, isValue(value) else { return nil }
    return value
  }
}
