internal import FoundationEssentials

/// A settings file: `KEY=VALUE` a line, `#` comments, single or double quotes, nothing expanded.
package struct EnvironmentFile {
  package struct Entry {
    package let name: String
    package let value: String
    let line: Int
  }

  /// The longest file taken, in bytes.
  static let maximumBytes = 1 << 20

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

  /// - Parameter path: for messages.
  package init(text: String, path: String) throws(SettingsError) {
    var entries: [Entry] = []
    var lines: [String: Int] = [:]
    let rows = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
    for (index, row) in rows.enumerated() {
      let content = row.drop { $0 == " " || $0 == "\t" }
      if content.isEmpty || content.hasPrefix("#") { continue }
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

  private static func entry(_ content: Substring, line: Int) -> Entry? {
    guard let equals = content.firstIndex(of: "=") else { return nil }
    let name = content[..<equals]
    let isNamed = name.utf8.allSatisfy { byte in
      byte == UInt8(ascii: "_") || UInt8(ascii: "0") <= byte && byte <= UInt8(ascii: "9")
        || UInt8(ascii: "a") <= byte | 0x20 && byte | 0x20 <= UInt8(ascii: "z")
    }
    guard !name.isEmpty, isNamed, let value = value(content[content.index(after: equals)...]) else { return nil }
    return Entry(name: String(name), value: value, line: line)
  }

  /// The value after the equals sign; nil when a quote is not closed or something but a comment follows it.
  private static func value(_ text: Substring) -> String? {
    guard let quote = text.first, quote == "\"" || quote == "'" else {
      var end = text.startIndex
      var isAfterSpace = true
      for index in text.indices {
        if text[index] == "#", isAfterSpace { break }
        isAfterSpace = text[index] == " " || text[index] == "\t"
        if !isAfterSpace { end = text.index(after: index) }
      }
      return String(text[..<end])
    }
    var value = ""
    var rest = text.dropFirst()
    while let character = rest.popFirst() {
      if character == quote {
        let tail = rest.drop { $0 == " " || $0 == "\t" }
        return tail.isEmpty || tail.hasPrefix("#") ? value : nil
      }
      // Within double quotes a backslash keeps a quote or a backslash; every other one stands for itself.
      if character == "\\", quote == "\"", let next = rest.first, next == "\"" || next == "\\" {
        value.append(next)
        rest.removeFirst()
      } else {
        value.append(character)
      }
    }
    return nil
  }
}
