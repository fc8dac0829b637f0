/// The values a caller asks for by type.
extension JSONScanner {
  /// Reads an integer, exact to 64 bits; a fraction or an exponent is refused, even where the value is whole.
  public mutating func integer() throws(JSONError) -> Int64 {
    try expect(.number)
    let start = position
    let isNegative = bytes[position] == UInt8(ascii: "-")
    try number(allowsFraction: false)
    // Counted downwards: the negative side is one longer.
    var value: Int64 = 0
    for byte in bytes[(isNegative ? start + 1 : start)..<position] {
      let (scaled, tooBig) = value.multipliedReportingOverflow(by: 10)
      let (sum, carried) = scaled.subtractingReportingOverflow(Int64(byte - UInt8(ascii: "0")))
      guard !tooBig, !carried else { throw rangeFailure(at: start) }
      value = sum
    }
    guard isNegative || value != .min else { throw rangeFailure(at: start) }
    return isNegative ? value : -value
  }

  /// Reads an amount of money, a number or a string, exactly into minor units; `DecimalAmount` has the rules, which are
  /// the same for both. A number's own grammar comes first: `01` is no JSON.
  /// - Parameter exponent: decimals of the currency, 0 to 18.
  /// - Returns: 0 or more.
  public mutating func minorUnits(exponent: Int) throws(JSONError) -> Int64 {
    let kind = try peek()
    guard kind == .number || kind == .string else {
      throw failure(.wrongType, "expected a number or a string, found \(Self.article(kind))")
    }
    let start = position
    let amount: ArraySlice<UInt8>
    if kind == .number {
      try number(allowsFraction: true)
      amount = bytes[start..<position]
    } else {
      let literal = try stringContent()
      amount = literal.hasEscapes ? try ArraySlice(text(literal).utf8) : bytes[literal.content]
    }
    do throws(DecimalAmount.Fault) {
      return try DecimalAmount.minorUnits(of: amount, exponent: exponent)
    } catch {
      position = start
      throw failure(.notAnAmount(error), "\(error)")
    }
  }

  /// Reads a string, its escapes resolved.
  public mutating func string() throws(JSONError) -> String {
    try expect(.string)
    return try stringLiteral()
  }

  /// Reads a string of which no `String` is to be made: its bytes, escapes resolved, are there only during the call.
  /// They are the text's own; a copy, which only escapes make necessary, is zeroed at the end.
  public mutating func withStringBytes<Result: ~Copyable>(
    _ body: (RawSpan) throws(JSONError) -> Result
  ) throws(JSONError) -> Result {
    try expect(.string)
    let literal = try stringContent()
    guard literal.hasEscapes else { return try body(bytes.span.bytes.extracting(literal.content)) }
    let resolved = try resolved(literal)
    defer { resolved.zeroInPlace() }
    return try body(resolved.span.bytes)
  }

  /// Reads a string as `withStringBytes` does, or a number, whose bytes are there as they stand in the text.
  public mutating func withStringOrNumberBytes<Result: ~Copyable>(
    _ body: (RawSpan) throws(JSONError) -> Result
  ) throws(JSONError) -> Result {
    let kind = try peek()
    guard kind == .number else {
      guard kind == .string else {
        throw failure(.wrongType, "expected a number or a string, found \(Self.article(kind))")
      }
      return try withStringBytes(body)
    }
    let start = position
    try number(allowsFraction: true)
    return try body(bytes.span.bytes.extracting(start..<position))
  }

  /// Reads a string that is a UUID in its 36-character form.
  public mutating func uniqueID() throws(JSONError) -> UniqueID {
    try expect(.string)
    let start = position
    let literal = try stringContent()
    let id = literal.hasEscapes ? UniqueID(try text(literal)) : UniqueID(utf8: bytes[literal.content])
    guard let id else {
      position = start
      throw failure(.notAnIdentifier, "expected a UUID of 36 characters, found another string")
    }
    return id
  }

  /// Reads `true` or `false`.
  public mutating func bool() throws(JSONError) -> Bool {
    try expect(.bool)
    let value = bytes[position] == UInt8(ascii: "t")
    try literal(value ? "true" : "false")
    return value
  }

  /// Passes the next value if it is `null`.
  /// - Returns: whether it was.
  public mutating func null() throws(JSONError) -> Bool {
    guard try peek() == .null else { return false }
    try literal("null")
    return true
  }

  /// Reads the next value, whatever it is, checking its grammar only.
  /// - Returns: its bytes as they stand in the text.
  public mutating func rawValue() throws(JSONError) -> ArraySlice<UInt8> {
    let key = unread
    _ = try peek()
    let start = position
    try skipValue()
    // It was read, and not passed over: the same field must not come again.
    unread = key
    return bytes[start..<position]
  }

  /// Passes the next value, whatever it is, checking its grammar: any depth, any escape, any number.
  public mutating func skipValue() throws(JSONError) {
    unread = nil
    switch try peek() {
    case .object, .array: try skipContainer()
    case .string: _ = try stringContent()
    case .number: try number(allowsFraction: true)
    case .bool: _ = try bool()
    case .null: try literal("null")
    }
  }

  /// Passes an object or array without recursion, so that its depth costs a byte and not a stack frame.
  private mutating func skipContainer() throws(JSONError) {
    var isObject: [Bool] = []
    repeat {
      // At a value.
      let kind = try peek()
      if kind == .object || kind == .array {
        position += 1
        isObject.append(kind == .object)
        let closing = kind == .object ? UInt8(ascii: "}") : UInt8(ascii: "]")
        if try significantByte() != closing {
          if kind == .object { try skipKey() }
          continue
        }
      } else {
        try skipValue()
      }
      // After a value, or at the bracket that closes an empty container.
      while let inObject = isObject.last {
        let byte = try significantByte()
        if byte == UInt8(ascii: ",") {
          position += 1
          if inObject { try skipKey() }
          break
        }
        guard byte == (inObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else {
          throw failure(.unexpectedByte, "expected a comma or a closing bracket, found \(found())")
        }
        position += 1
        isObject.removeLast()
      }
    } while !isObject.isEmpty
  }

  private mutating func skipKey() throws(JSONError) {
    guard try significantByte() == UInt8(ascii: "\"") else {
      throw failure(.unexpectedByte, "expected a field's name in quotes, found \(found())")
    }
    _ = try stringContent()
    guard try significantByte() == UInt8(ascii: ":") else {
      throw failure(.unexpectedByte, "expected a colon after the field's name, found \(found())")
    }
    position += 1
  }
}
