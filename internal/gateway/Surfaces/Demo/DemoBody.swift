internal import Cards
internal import DirectDomain
internal import Money
internal import Values

/// The fields of a body of the demo surface, read as pydantic 1 reads them: each fault is kept, in the order in which
/// fields are asked for, and fields that nobody asks for are passed over.
struct DemoBody {
  /// The longest body, in bytes.
  static let maximumBytes = 16_384
  /// The longest text, in characters.
  static let longestText = 255

  private let values: [String: ArraySlice<UInt8>]
  private(set) var faults: [DemoFieldFault] = []

  /// - Parameter type: of the content, as the caller names it; a body of another type than JSON is no object.
  init(_ body: [UInt8], type: String?) throws(DemoFault) {
    guard !body.isEmpty else { throw .noObject("value_error.missing", "field required") }
    guard Self.isJSON(type) else { throw .noObject("type_error.dict", "value is not a valid dict") }
    guard let values = try Self.values(body) else { throw .noObject("type_error.dict", "value is not a valid dict") }
    self.values = values
  }

  /// The fields as they stand in the body; nil for what is no object.
  private static func values(_ body: [UInt8]) throws(DemoFault) -> [String: ArraySlice<UInt8>]? {
    do throws(JSONError) {
      var scanner = try JSONScanner(body, maximumBytes: maximumBytes)
      let isObject = try scanner.peek() == .object
      var values: [String: ArraySlice<UInt8>] = [:]
      if isObject {
        try scanner.beginObject()
        while let name = try scanner.nextKey() { values[name] = try scanner.rawValue() }
      } else {
        try scanner.skipValue()
      }
      try scanner.end()
      return isObject ? values : nil
    } catch {
      throw fault(error, body)
    }
  }

  private static func isJSON(_ type: String?) -> Bool {
    guard let type else { return true }
    let name = type.prefix { $0 != ";" && $0 != " " }.lowercased()
    return name == "application/json" || name.hasPrefix("application/") && name.hasSuffix("+json")
  }

  /// What Python's reader of JSON says where it would refuse the text, too: the place in characters, lines and columns.
  private static func fault(_ error: JSONError, _ body: [UInt8]) -> DemoFault {
    let text = String(decoding: body, as: UTF8.self).unicodeScalars
    let found = PythonReader.fault(in: body)
    let place = found?.place ?? String(decoding: body.prefix(error.offset), as: UTF8.self).unicodeScalars.count
    let words = found?.words ?? error.message
    let before = text.prefix(place)
    let line = 1 + before.count { $0 == "\n" }
    let column = before.reversed().prefix { $0 != "\n" }.count + 1
    let message = "\(words): line \(line) column \(column) (char \(place))"
    let context = DemoFieldFault.Context { context in
      context.add("msg", words)
      context.add("pos", place)
      context.add("lineno", line)
      context.add("colno", column)
    }
    return .invalid([
      DemoFieldFault([.name("body"), .position(place)], "value_error.jsondecode", message, context)
    ])
  }

  /// - Throws: the faults of the fields that were asked for.
  func check() throws(DemoFault) { if !faults.isEmpty { throw .invalid(faults) } }

  private mutating func refuse(
    _ name: String, _ type: String, _ message: String, _ context: DemoFieldFault.Context? = nil
  ) {
    faults.append(DemoFieldFault([.name("body"), .name(name)], type, message, context))
  }

  /// The value of a field; nil where it is absent, or null. Both are faults of a field that is required.
  private mutating func value(_ name: String, isRequired: Bool) -> ArraySlice<UInt8>? {
    guard let value = values[name] else {
      if isRequired { refuse(name, "value_error.missing", "field required") }
      return nil
    }
    guard value.first != UInt8(ascii: "n") else {
      if isRequired { refuse(name, "type_error.none.not_allowed", "none is not an allowed value") }
      return nil
    }
    return value
  }

  /// A string's text, or the digits of a number.
  private func text(_ value: ArraySlice<UInt8>) -> String? {
    guard var scanner = try? JSONScanner(Array(value), maximumBytes: Self.maximumBytes) else { return nil }
    switch try? scanner.peek() {
    case .string: return try? scanner.string()
    case .number: return String(decoding: value, as: UTF8.self)
    default: return nil
    }
  }

  // MARK: - Fields

  /// A UUID in any spelling that Python takes.
  mutating func uniqueID(_ name: String, isRequired: Bool = true) -> UniqueID? {
    guard let value = value(name, isRequired: isRequired) else { return nil }
    if value.first == UInt8(ascii: "\""), let text = text(value), let id = Self.uniqueID(text) { return id }
    refuse(name, "type_error.uuid", "value is not a valid uuid")
    return nil
  }

  private static func uniqueID(_ text: String) -> UniqueID? {
    var bytes = Array(text.utf8)[...]
    for prefix in ["urn:", "uuid:"] where bytes.starts(with: prefix.utf8) { bytes = bytes.dropFirst(prefix.utf8.count) }
    if bytes.first == UInt8(ascii: "{"), bytes.last == UInt8(ascii: "}") { bytes = bytes.dropFirst().dropLast() }
    let digits = bytes.filter { $0 != UInt8(ascii: "-") }
    guard digits.count == 32 else { return nil }
    let groups = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { digits[$0] }
    return UniqueID(utf8: Array(groups.joined(separator: [UInt8(ascii: "-")])))
  }

  /// A text for people.
  mutating func prose(_ name: String) -> String? {
    guard let value = value(name, isRequired: false) else { return nil }
    guard let text = text(value) else {
      refuse(name, "type_error.str", "str type expected")
      return nil
    }
    guard text.unicodeScalars.count <= Self.longestText else {
      refuse(
        name, "value_error.any_str.max_length", "ensure this value has at most \(Self.longestText) characters",
        .init("limit_value", Self.longestText))
      return nil
    }
    guard !text.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) }) else {
      refuse(name, "value_error", "expected text without control characters")
      return nil
    }
    guard !containsCardNumber(text.utf8) else {
      refuse(name, "value_error", "expected text without card numbers")
      return nil
    }
    return text
  }

  /// An amount, which may be a number or a string.
  mutating func amount(_ name: String) -> SixPlaceAmount? {
    guard let value = value(name, isRequired: true) else { return nil }
    do throws(SixPlaceAmount.Fault) {
      guard let text = text(value) else { throw .malformed }
      return try SixPlaceAmount(Self.trimmed(text))
    } catch {
      let places = SixPlaceAmount.decimals
      switch error {
      case .malformed: refuse(name, "type_error.decimal", "value is not a valid decimal")
      case .notFinite: refuse(name, "value_error.decimal.not_finite", "value is not a valid decimal")
      case .notPositive:
        refuse(
          name, "value_error.number.not_gt", "ensure this value is greater than 0",
          .init("limit_value", 0))
      case .tooManyDecimals:
        refuse(
          name, "value_error.decimal.max_places", "ensure that there are no more than \(places) decimal places",
          .init("decimal_places", places))
      case .tooManyDigits:
        let digits = SixPlaceAmount.wholeDigits
        refuse(
          name, "value_error.decimal.whole_digits",
          "ensure that there are no more than \(digits) digits before the decimal point",
          .init("whole_digits", digits))
      }
      return nil
    }
  }

  private static func trimmed(_ text: String) -> Substring {
    let isBlank = { (character: Character) in character.isWhitespace }
    let start = text.drop(while: isBlank)
    return start.prefix(start.count - start.reversed().prefix(while: isBlank).count)
  }

  /// A currency of ISO 4217.
  mutating func currency(_ name: String) -> Currency? {
    guard let value = value(name, isRequired: true) else { return nil }
    guard let text = text(value) else {
      refuse(name, "type_error.str", "str type expected")
      return nil
    }
    guard let currency = Currency(text) else {
      refuse(name, "value_error", "expected a currency of ISO 4217 in capital letters")
      return nil
    }
    return currency
  }
}
