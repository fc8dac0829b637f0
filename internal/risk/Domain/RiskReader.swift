internal import Values

/// Reads JSON and knows where it is, so that each fault has its place.
struct RiskReader {
  private var scanner: JSONScanner
  private var path: [String] = []

  init(_ json: [UInt8], maximumBytes: Int) throws(RiskFault) {
    // The scanner passes over fields whose names are half of a surrogate pair; here nothing is passed over.
    if let place = json.firstIndex(of: UInt8(ascii: "\\")) {
      throw RiskFault(field: "", message: "byte \(place): a backslash, which no word of it needs")
    }
    do throws(JSONError) {
      scanner = try JSONScanner(json, maximumBytes: maximumBytes, maximumDepth: 8)
    } catch {
      throw RiskFault(field: "", message: error.message)
    }
  }

  // MARK: - Values

  /// Enters an object; `body` is called for each field and reads its value.
  mutating func object(_ body: (inout RiskReader, String) throws(RiskFault) -> Void) throws(RiskFault) {
    try read { (scanner) throws(JSONError) in try scanner.beginObject() }
    while let field = try read({ (scanner) throws(JSONError) in try scanner.nextKey() }) {
      path.append((path.isEmpty ? "" : ".") + Self.shown(field))
      try body(&self, field)
      path.removeLast()
    }
  }

  /// Enters an array; `body` is called for each element and reads it.
  mutating func array(_ body: (inout RiskReader) throws(RiskFault) -> Void) throws(RiskFault) {
    try read { (scanner) throws(JSONError) in try scanner.beginArray() }
    var index = 0
    while try read({ (scanner) throws(JSONError) in try scanner.nextElement() }) {
      path.append("[\(index)]")
      try body(&self)
      path.removeLast()
      index += 1
    }
  }

  mutating func integer(in range: ClosedRange<Int64>) throws(RiskFault) -> Int64 {
    let value = try read { (scanner) throws(JSONError) in try scanner.integer() }
    guard range.contains(value) else {
      let upper = range.upperBound == .max ? "or more" : "to \(range.upperBound)"
      throw fault("expected \(range.lowerBound) \(upper), found \(value)")
    }
    return value
  }

  mutating func string() throws(RiskFault) -> String {
    try read { (scanner) throws(JSONError) in try scanner.string() }
  }

  /// A string that is one of the raw values, or of some of them.
  mutating func word<Word>(_ type: Word.Type, in some: Set<Word>? = nil) throws(RiskFault) -> Word
  where Word: RawRepresentable<String> & CaseIterable & Hashable {
    let words = Word.allCases.filter { some?.contains($0) ?? true }
    let text = try string(in: words.map(\.rawValue))
    guard let word = Word(rawValue: text) else { throw fault("\(Self.shown(text)) has no meaning") }
    return word
  }

  /// A string that is one of these.
  mutating func string(in words: [String]) throws(RiskFault) -> String {
    let text = try string()
    guard words.contains(text) else {
      throw fault("expected one of \(words.joined(separator: ", ")), found \"\(Self.shown(text))\"")
    }
    return text
  }

  mutating func end() throws(RiskFault) { try read { (scanner) throws(JSONError) in try scanner.end() } }

  private mutating func read<Value>(
    _ body: (inout JSONScanner) throws(JSONError) -> Value
  ) throws(RiskFault) -> Value {
    do throws(JSONError) {
      return try body(&scanner)
    } catch {
      // Its name was read, and nobody was told of it.
      if error.code == .duplicateField { path.append("." + Self.shown(error.field ?? "")) }
      throw fault("byte \(error.offset): \(error.message)")
    }
  }

  // MARK: - Faults

  /// A fault of the value that is being read, or was read last.
  func fault(_ message: String) -> RiskFault { RiskFault(field: path.joined(), message: message) }

  /// The fault that a field is not known.
  func unknown() -> RiskFault { fault("unknown field") }

  /// Text of the file, made safe for a log and not longer than a line.
  static func shown(_ text: String) -> String { String(VisibleText.escaped(text).prefix(64)) }
}
