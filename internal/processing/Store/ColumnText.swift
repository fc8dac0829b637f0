/// Text of others, as a column can hold it.
enum ColumnText {
  /// The most bytes that a column takes.
  static let longest = 1_000

  /// Without control characters, and cut at `longest` bytes.
  static func clean(_ text: String) -> String {
    var clean = ""
    for scalar in text.unicodeScalars {
      let visible = scalar.properties.generalCategory == .control ? " " : scalar
      guard clean.utf8.count + String(visible).utf8.count <= longest else { break }
      clean.unicodeScalars.append(visible)
    }
    return clean
  }
}
