/// The grammar below the values: white space, literals, numbers and strings.
extension JSONScanner {
  mutating func skipWhitespace() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x0A, 0x0D, 0x09: position += 1
      default: return
      }
    }
  }

  /// The next byte that is not white space; it stays unread.
  mutating func significantByte() throws(JSONError) -> UInt8 {
    skipWhitespace()
    guard position < bytes.count else { throw truncation() }
    return bytes[position]
  }

  mutating func expect(_ kind: Kind) throws(JSONError) {
    let next = try peek()
    guard next == kind else {
      throw failure(.wrongType, "expected \(Self.article(kind)), found \(Self.article(next))")
    }
  }

  /// Passes `text`, which is known to start here.
  mutating func literal(_ text: StaticString) throws(JSONError) {
    for index in 0..<text.utf8CodeUnitCount {
      guard position < bytes.count else { throw truncation() }
      // In bounds: `index` is below the literal's length.
      guard bytes[position] == text.utf8Start[index] else {
        throw failure(.unexpectedByte, "expected \(text), found \(found())")
      }
      position += 1
    }
  }

  /// Passes a number: `-? (0 | [1-9][0-9]*) ("." [0-9]+)? ([eE] [+-]? [0-9]+)?`.
  mutating func number(allowsFraction: Bool) throws(JSONError) {
    if bytes[position] == UInt8(ascii: "-") { position += 1 }
    let first = position
    try digits()
    if bytes[first] == UInt8(ascii: "0"), position > first + 1 {
      position = first + 1
      throw failure(.unexpectedByte, "a number must not start with a zero")
    }
    guard position < bytes.count else { return }
    let isFraction = bytes[position] == UInt8(ascii: ".")
    if isFraction || bytes[position] | 0x20 == UInt8(ascii: "e") {
      guard allowsFraction else {
        throw failure(.notAnInteger, "expected an integer, found a number with a fraction or an exponent")
      }
    }
    if isFraction {
      position += 1
      try digits()
    }
    guard position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") else { return }
    position += 1
    if position < bytes.count, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") {
      position += 1
    }
    try digits()
  }

  /// Passes one digit or more.
  private mutating func digits() throws(JSONError) {
    let start = position
    while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) { position += 1 }
    guard position > start else {
      guard position < bytes.count else { throw truncation() }
      throw failure(.unexpectedByte, "expected a digit, found \(found())")
    }
  }

  /// Reads a string at its opening quote, its escapes resolved.
  mutating func stringLiteral() throws(JSONError) -> String { try text(try stringContent()) }

  /// A string that was passed.
  struct StringLiteral {
    /// Its range between the quotes.
    var content: Range<Int>
    var hasEscapes = false
    /// False when an escape is half of a surrogate pair: grammatical, but not valid Unicode.
    var isText = true
  }

  /// Passes a string at its opening quote, checking its bytes and the grammar of its escapes.
  mutating func stringContent() throws(JSONError) -> StringLiteral {
    position += 1
    let start = position
    var literal = StringLiteral(content: start..<start)
    while position < bytes.count {
      let byte = bytes[position]
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        literal.content = start..<position - 1
        return literal
      case UInt8(ascii: "\\"):
        literal.hasEscapes = true
        if try escape() == nil { literal.isText = false }
      case 0..<0x20:
        throw failure(.controlCharacter, "a control character in a string must be escaped, found \(found())")
      case 0x20..<0x80: position += 1
      default: try passScalar()
      }
    }
    throw truncation()
  }

  /// Passes a scalar of two to four bytes, as Unicode's table 3-7 (well-formed UTF-8) allows them.
  private mutating func passScalar() throws(JSONError) {
    let (count, second): (Int, ClosedRange<UInt8>)
    switch bytes[position] {
    case 0xC2...0xDF: (count, second) = (2, 0x80...0xBF)
    case 0xE0: (count, second) = (3, 0xA0...0xBF)
    case 0xED: (count, second) = (3, 0x80...0x9F)
    case 0xE1...0xEF: (count, second) = (3, 0x80...0xBF)
    case 0xF0: (count, second) = (4, 0x90...0xBF)
    case 0xF1...0xF3: (count, second) = (4, 0x80...0xBF)
    case 0xF4: (count, second) = (4, 0x80...0x8F)
    default: throw failure(.invalidUTF8, "a string with bytes that are not UTF-8, found \(found())")
    }
    for index in 1..<count {
      guard position + index < bytes.count else { throw truncation() }
      guard (index == 1 ? second : 0x80...0xBF).contains(bytes[position + index]) else {
        throw failure(.invalidUTF8, "a string with bytes that are not UTF-8, found \(found())")
      }
    }
    position += count
  }

  /// The text of a string that `stringContent` has passed, its escapes resolved.
  func text(_ literal: StringLiteral) throws(JSONError) -> String {
    guard literal.hasEscapes else { return String(decoding: bytes[literal.content], as: UTF8.self) }
    return String(decoding: try resolved(literal), as: UTF8.self)
  }

  /// The bytes of a string that `stringContent` has passed, its escapes resolved, in one allocation.
  func resolved(_ literal: StringLiteral) throws(JSONError) -> [UInt8] {
    var reader = self
    reader.position = literal.content.lowerBound
    var text: [UInt8] = []
    text.reserveCapacity(literal.content.count)
    while reader.position < literal.content.upperBound {
      let byte = bytes[reader.position]
      if byte == UInt8(ascii: "\\") {
        let start = reader.position
        guard let scalar = try reader.escape() else {
          reader.position = start
          throw reader.failure(.invalidEscape, "half of a surrogate pair")
        }
        text += UTF8.encode(scalar)!  // a Unicode.Scalar always has an encoding
      } else {
        text.append(byte)
        reader.position += 1
      }
    }
    return text
  }

  /// Passes an escape at its backslash; a surrogate pair is one scalar.
  /// - Returns: nil for half of a surrogate pair.
  private mutating func escape() throws(JSONError) -> Unicode.Scalar? {
    let start = position
    guard position + 1 < bytes.count else { throw truncation() }
    position += 2
    switch bytes[start + 1] {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default:
      position = start
      throw failure(.invalidEscape, "a backslash must be followed by one of \"\\/bfnrtu")
    }
    let first = try fourHexDigits()
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard first < 0xDC00, let second = try lowSurrogate() else { return nil }
    // The sum cannot leave Unicode: ten bits from each half, above the first 65,536.
    return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))!
  }

  /// Passes the second half of a surrogate pair; nil, and nothing is passed, when something else follows.
  private mutating func lowSurrogate() throws(JSONError) -> UInt32? {
    let start = position
    for expected in [UInt8(ascii: "\\"), UInt8(ascii: "u")] {
      guard position < bytes.count else { throw truncation() }
      guard bytes[position] == expected else {
        position = start
        return nil
      }
      position += 1
    }
    let value = try fourHexDigits()
    if (0xDC00...0xDFFF).contains(value) { return value }
    position = start
    return nil
  }

  private mutating func fourHexDigits() throws(JSONError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard position < bytes.count else { throw truncation() }
      guard let digit = Hexadecimal.value(of: bytes[position]) else {
        throw failure(.invalidEscape, "expected four hexadecimal digits after \\u, found \(found())")
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }
}

/// The texts of errors.
extension JSONScanner {
  func failure(_ code: JSONError.Code, _ message: String) -> JSONError {
    JSONError(code, at: position, field: field, message)
  }

  func truncation() -> JSONError {
    JSONError(.truncated, at: bytes.count, field: field, "the text ends in the middle")
  }

  func depthFailure() -> JSONError {
    failure(.tooDeep, "more than \(maximumDepth) levels of objects and arrays")
  }

  func rangeFailure(at start: Int) -> JSONError {
    JSONError(.integerOutOfRange, at: start, field: field, "expected an integer of 64 bits, found a larger one")
  }

  /// The byte at which reading stopped, for people.
  func found() -> String {
    guard position < bytes.count else { return "the end" }
    let byte = bytes[position]
    // Of a number that is nobody's business not even one digit is shown.
    if (0x30...0x39).contains(byte) { return "a digit" }
    if (0x21...0x7E).contains(byte) { return "\"\(Character(Unicode.Scalar(byte)))\"" }
    return "byte 0x\(byte < 16 ? "0" : "")\(String(byte, radix: 16, uppercase: true))"
  }

  static func article(_ kind: Kind) -> String {
    switch kind {
    case .object: "an object"
    case .array: "an array"
    case .null: "null"
    case .bool: "true or false"
    case .string, .number: "a \(kind.rawValue)"
    }
  }
}
