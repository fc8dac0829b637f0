internal import FoundationEssentials

/// A settings file: `KEY=VALUE` a line, `#` comments, single or double quotes, nothing expanded.
package struct EnvironmentFile {
  /// One `KEY=VALUE`.
  package struct Entry {
    /// The text before the equals sign.
    package let name: String
    /// The text after it, without its quotes. May be a secret.
    package let value: String
    let line: Int
  }

  /// The longest file taken, in bytes.
  static let maximumBytes = 1 << 20

  /// In the order of the file; each name once.
  package let entries: [Entry]

  init(path: String) throws(SettingsError) {
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw SettingsError(
        .unreadableFile, "the settings file \(path) cannot be read; is it there, and may this user read it?")
    }
    guard data.count <= Self.maximumBytes, let text = String(data: data, encoding: .utf8) else {
      throw SettingsError(
        .unreadableFile, "the settings file \(path) must be UTF-8 text of at most \(Self.maximumBytes) bytes")
    }
    try self.init(text: text, path: path)
  }

  /// Bytes are looked at, not characters: a mark that combines with a quote or backslash must not hide it.
  /// - Parameter path: for messages.
  package init(text: String, path: String) throws(SettingsError) {
    var entries: [Entry] = []
    var lines: [String: Int] = [:]
    let rows = Array(text.utf8).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, row) in rows.enumerated() {
      let content = (row.last == UInt8(ascii: "\r") ? row.dropLast() : row).drop(while: Self.isBlank)
      if content.isEmpty || content.first == UInt8(ascii: "#") { continue }
      guard let entry = Self.entry(content, line: index + 1) else {
        throw SettingsError(
          .malformedFile, "\(path) line \(index + 1): expected KEY=VALUE, a comment after # or an empty line")
      }
      if let first = lines.updateValue(entry.line, forKey: entry.name) {
        throw SettingsError(
          .malformedFile, setting: entry.name,
          "\(path) line \(entry.line): \(entry.name) is already set in line \(first); keep one of them")
      }
      entries.append(entry)
    }
    self.entries = entries
  }

  private static func entry(_ content: ArraySlice<UInt8>, line: Int) -> Entry? {
    guard let equals = content.firstIndex(of: UInt8(ascii: "=")) else { return nil }
    let name = content[..<equals]
    let isNamed = name.allSatisfy { byte in
      byte == UInt8(ascii: "_") || UInt8(ascii: "0") <= byte && byte <= UInt8(ascii: "9")
        || UInt8(ascii: "a") <= byte | 0x20 && byte | 0x20 <= UInt8(ascii: "z")
    }
    guard !name.isEmpty, isNamed, let value = value(content[(equals + 1)...]) else { return nil }
    return Entry(name: String(decoding: name, as: UTF8.self), value: String(decoding: value, as: UTF8.self), line: line)
  }

  /// The value after the equals sign; nil when a quote is not closed or something but a comment follows it.
  private static func value(_ text: ArraySlice<UInt8>) -> [UInt8]? {
    guard let quote = text.first, quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
      return unquoted(text)
    }
    var value: [UInt8] = []
    var rest = text.dropFirst()
    while let byte = rest.popFirst() {
      if byte == quote {
        let tail = rest.drop(while: isBlank)
        return tail.isEmpty || tail.first == UInt8(ascii: "#") ? value : nil
      }
      // Within double quotes a backslash keeps a quote or a backslash; every other one stands for itself.
      if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\""), let next = rest.first, next == quote || next == byte {
        value.append(next)
        rest.removeFirst()
      } else {
        value.append(byte)
      }
    }
    return nil
  }

  /// Up to a comment, which a blank precedes, without the blanks at the end.
  private static func unquoted(_ text: ArraySlice<UInt8>) -> [UInt8] {
    var end = text.startIndex
    var isAfterBlank = true
    for index in text.indices {
      if text[index] == UInt8(ascii: "#"), isAfterBlank { break }
      isAfterBlank = isBlank(text[index])
      if !isAfterBlank { end = index + 1 }
    }
    return Array(text[..<end])
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
}
