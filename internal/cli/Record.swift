package import Values

/// One result: names and values in order, printed as `name=value …` for people or as a JSON object for machines.
package struct Record: Sendable, ExpressibleByDictionaryLiteral {
  /// A value of a record.
  package indirect enum Value: Sendable {
    case text(String)
    case number(Int64)
    case bool(Bool)
    case time(Timestamp)
    case uuid(UniqueID)
    case list([Record])
    case object(Record)
    /// JSON text that is known to be valid.
    case json([UInt8])
    case null
  }

  /// Names and values, in the order in which they are printed.
  package var fields: [(name: String, value: Value)]

  package init(dictionaryLiteral elements: (String, Value)...) {
    fields = elements.map { (name: $0.0, value: $0.1) }
  }

  mutating func append(_ name: String, _ value: Value) { fields.append((name, value)) }

  /// For people: what is absent or empty is left out, and text with blanks or hidden characters stands in quotes.
  package var line: String {
    fields.compactMap { field in Self.shown(field.value).map { "\(field.name)=\($0)" } }.joined(separator: " ")
  }

  private static func shown(_ value: Value) -> String? {
    guard case .text(let text) = value, let bare = cell(value) else { return cell(value) }
    let isBare = text == bare && !text.contains { " \"=\\".contains($0) }
    if isBare { return text }
    var quoted: [UInt8] = []
    JSONWriter.appendString(text, to: &quoted)
    return String(decoding: quoted, as: UTF8.self)
  }

  /// A value by itself, with hidden characters made visible; nil for what is empty or has parts.
  static func cell(_ value: Value) -> String? {
    switch value {
    case .text(let text): text.isEmpty ? nil : printable(text)
    case .number(let number): "\(number)"
    case .bool(let bool): "\(bool)"
    case .time(let time): time.description
    case .uuid(let id): id.description
    case .json(let bytes): printable(String(decoding: bytes, as: UTF8.self))
    case .list, .object, .null: nil
    }
  }
}

extension Record: JSONRepresentable {
  /// For machines: every field is there, in one line.
  package func appendJSON(to bytes: inout [UInt8]) {
    JSONWriter.appendObject(to: &bytes) { object in
      for field in fields { object.add(named: field.name, field.value) }
    }
  }
}

extension Record.Value: JSONRepresentable {
  package func appendJSON(to bytes: inout [UInt8]) {
    switch self {
    case .text(let text): text.appendJSON(to: &bytes)
    case .number(let number): number.appendJSON(to: &bytes)
    case .bool(let bool): bool.appendJSON(to: &bytes)
    case .time(let time): time.appendJSON(to: &bytes)
    case .uuid(let id): id.appendJSON(to: &bytes)
    case .list(let records): records.appendJSON(to: &bytes)
    case .object(let record): record.appendJSON(to: &bytes)
    case .json(let text):
      // Line breaks and tabs of valid JSON stand between its tokens only, other hidden characters in its strings only.
      let oneLine = text.map { $0 < 0x20 ? UInt8(ascii: " ") : $0 }
      oneLine.withUnsafeBufferPointer { VisibleText.append($0, to: &bytes) }
    case .null: bytes += "null".utf8
    }
  }
}

extension Record.Value {
  static func optional(_ time: Timestamp?) -> Record.Value { time.map { .time($0) } ?? .null }
  static func optional(_ text: String?) -> Record.Value { text.map { .text($0) } ?? .null }
}
