internal import Cards
internal import Values

/// What is wrong with a body, as version 2 of pydantic writes it: `{"detail":[{"type","loc","msg","input","ctx"}]}`.
package struct FieldErrors: Error, Hashable {
  /// One fault.
  struct Item: Hashable {
    /// Such as `float_parsing`.
    let type: String
    /// Where it is below the body; empty for the body.
    var place: [Place] = []
    let message: String
    /// The JSON of what was found, without white space; what holds a card number is shown as `null`.
    let input: [UInt8]
    /// A JSON object with what the message is made of.
    var context: [UInt8]?
  }

  /// A field or, of a text that is no JSON, a byte.
  enum Place: Hashable, JSONRepresentable {
    case field(String)
    case offset(Int)

    func appendJSON(to bytes: inout [UInt8]) {
      switch self {
      case .field(let name): name.appendJSON(to: &bytes)
      case .offset(let offset): offset.appendJSON(to: &bytes)
      }
    }
  }

  private(set) var items: [Item] = []

  init(_ items: [Item] = []) { self.items = items }

  mutating func add(_ item: Item) { items.append(item) }

  /// The body of the answer.
  package var body: [UInt8] { JSONWriter.object(reserving: 256) { $0.add("detail", items) } }

  /// The JSON of a value without the white space between its tokens.
  static func compact(_ value: some Sequence<UInt8>) -> [UInt8] {
    var bytes: [UInt8] = []
    var (isString, isEscaped) = (false, false)
    for byte in value {
      if !isString, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { continue }
      bytes.append(byte)
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\\") {
        isEscaped = true
      } else if byte == UInt8(ascii: "\"") {
        isString.toggle()
      }
    }
    return bytes
  }
}

extension FieldErrors.Item: JSONRepresentable {
  func appendJSON(to bytes: inout [UInt8]) {
    JSONWriter.appendObject(to: &bytes) { item in
      item.add("type", type)
      item.add("loc", [.field("body")] + place)
      item.add("msg", message)
      item.add("input", JSONText(bytes: Self.hasCardNumber(input) ? Array("null".utf8) : input))
      if let context { item.add("ctx", JSONText(bytes: context)) }
    }
  }

  /// Whether a JSON text holds a card number, also one that is written with escapes.
  private static func hasCardNumber(_ json: [UInt8]) -> Bool {
    containsCardNumber(json) || json.contains(UInt8(ascii: "\\")) && containsCardNumber(resolved(json))
  }

  /// The text with the characters that ASCII escapes stand for; other escapes are left as they are.
  private static func resolved(_ json: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = json[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\") else {
        bytes.append(byte)
        continue
      }
      let code = rest.first == UInt8(ascii: "u") ? String(decoding: rest.dropFirst().prefix(4), as: UTF8.self) : ""
      if code.utf8.count == 4, let value = UInt8(code, radix: 16) {
        bytes.append(value)
        rest.removeFirst(5)
      } else {
        bytes.append(byte)
        if let escaped = rest.popFirst() { bytes.append(escaped) }
      }
    }
    return bytes
  }

  /// A value that is JSON already.
  private struct JSONText: JSONRepresentable {
    let bytes: [UInt8]

    func appendJSON(to target: inout [UInt8]) { target += bytes }
  }
}

// MARK: - The kinds

extension FieldErrors.Item {
  static func missing(_ field: String, body: [UInt8]) -> Self {
    Self(type: "missing", place: [.field(field)], message: "Field required", input: body)
  }

  static func noText(_ field: String, _ input: [UInt8]) -> Self {
    Self(type: "string_type", place: [.field(field)], message: "Input should be a valid string", input: input)
  }

  static func tooLong(_ field: String, _ limit: Int, _ input: [UInt8]) -> Self {
    Self(
      type: "string_too_long", place: [.field(field)],
      message: "String should have at most \(limit) characters", input: input,
      context: JSONWriter.object { $0.add("max_length", limit) })
  }

  static func tooShort(_ field: String, _ input: [UInt8]) -> Self {
    Self(
      type: "string_too_short", place: [.field(field)], message: "String should have at least 1 character",
      input: input, context: JSONWriter.object { $0.add("min_length", 1) })
  }

  static func noNumber(_ field: String, _ input: [UInt8]) -> Self {
    Self(type: "float_type", place: [.field(field)], message: "Input should be a valid number", input: input)
  }

  static func unknownState(_ field: String, _ input: [UInt8]) -> Self {
    let expected = "'pending', 'completed' or 'rejected'"
    return Self(
      type: "enum", place: [.field(field)], message: "Input should be \(expected)", input: input,
      context: JSONWriter.object { $0.add("expected", expected) })
  }

  /// What pydantic knows nothing of, and a validator of ours refuses.
  /// - Parameter words: what was expected; they hold no value.
  static func refused(_ field: String, _ words: String) -> Self {
    Self(
      type: "value_error", place: [.field(field)], message: "Value error, \(words)", input: Array("null".utf8),
      context: JSONWriter.object { $0.add("error") { _ in } })
  }

  static func amount(_ fault: ExactAmount.Fault, _ field: String, _ input: [UInt8], decimals: Int, largest: String)
    -> Self
  {
    let (type, message, context): (String, String, [UInt8]?) =
      switch fault {
      case .notANumber:
        ("float_parsing", "Input should be a valid number, unable to parse string as a number", nil)
      case .notFinite: ("finite_number", "Input should be a finite number", nil)
      case .notPositive: ("greater_than", "Input should be greater than 0", JSONWriter.object { $0.add("gt", 0.0) })
      case .tooManyDecimals:
        (
          "decimal_max_places", "Decimal input should have no more than \(decimals) decimal places",
          JSONWriter.object { $0.add("decimal_places", decimals) }
        )
      case .tooLarge:
        (
          "less_than_equal", "Input should be less than or equal to \(largest)",
          Array("{\"le\":\(largest)}".utf8)
        )
      }
    return Self(type: type, place: [.field(field)], message: message, input: input, context: context)
  }

  /// A body that is no JSON, told as Python tells it where Python would refuse it, too.
  init(_ error: JSONError, in body: [UInt8]) {
    let fault = PythonReader.fault(in: body)
    self.init(
      type: "json_invalid", place: [.offset(fault?.place ?? error.offset)], message: "JSON decode error",
      input: Array("{}".utf8), context: JSONWriter.object { $0.add("error", fault?.words ?? error.message) })
  }

  /// A body of another kind than an object.
  static func noObject(_ input: [UInt8]) -> Self {
    Self(
      type: "model_attributes_type",
      message: "Input should be a valid dictionary or object to extract fields from", input: input)
  }

  /// No body.
  static let noBody = Self(type: "missing", message: "Field required", input: Array("null".utf8))
}
