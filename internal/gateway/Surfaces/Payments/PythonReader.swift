/// Finds the place at which Python's `json` gives a text up, and its words for it (CPython 3.11, Modules/_json.c). It
/// looks at texts that were refused before, so that it need not know every rule. Pure.
struct PythonReader {
  /// Where and why.
  struct Fault: Hashable {
    /// In characters from the beginning.
    let place: Int
    let words: String
  }

  private enum Step {
    case value, firstValue, name, firstName, colon, comma
  }

  private enum Outcome {
    case goesOn, ends
    case fails(String, at: Int)
  }

  private let text: [UInt8]
  private var position = 0
  /// Whether each open container is an object, outermost first.
  private var open: [Bool] = []
  private var step = Step.value

  /// - Returns: nil where Python finds no fault.
  static func fault(in text: [UInt8]) -> Fault? {
    var reader = PythonReader(text: text)
    while true {
      switch reader.next() {
      case .goesOn: continue
      case .ends: return nil
      case .fails(let words, let place):
        // The bytes that begin a character.
        return Fault(place: text[..<place].count { $0 & 0xC0 != 0x80 }, words: words)
      }
    }
  }

  private init(text: [UInt8]) { self.text = text }

  private mutating func next() -> Outcome {
    while position < text.count, [0x20, 0x09, 0x0A, 0x0D].contains(text[position]) { position += 1 }
    let byte = position < text.count ? text[position] : 0
    switch step {
    case .firstName where byte == UInt8(ascii: "}"), .firstValue where byte == UInt8(ascii: "]"): return close()
    case .name, .firstName:
      guard byte == UInt8(ascii: "\"") else {
        return .fails("Expecting property name enclosed in double quotes", at: position)
      }
      step = .colon
      return string()
    case .colon:
      guard byte == UInt8(ascii: ":") else { return .fails("Expecting ':' delimiter", at: position) }
      position += 1
      step = .value
      return .goesOn
    case .value, .firstValue: return value(byte)
    case .comma: return comma(byte)
    }
  }

  private mutating func value(_ byte: UInt8) -> Outcome {
    step = .comma
    switch byte {
    case UInt8(ascii: "\""): return string()
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      let isObject = byte == UInt8(ascii: "{")
      open.append(isObject)
      position += 1
      step = isObject ? .firstName : .firstValue
      return .goesOn
    default:
      // Python knows NaN and infinity, too, which are no JSON and no amounts.
      for word in ["true", "false", "null"] where text[position...].starts(with: word.utf8) {
        position += word.utf8.count
        return .goesOn
      }
      return number()
    }
  }

  private mutating func comma(_ byte: UInt8) -> Outcome {
    guard let isObject = open.last else { return position < text.count ? .fails("Extra data", at: position) : .ends }
    if byte == UInt8(ascii: ",") {
      position += 1
      step = isObject ? .name : .value
      return .goesOn
    }
    return byte == UInt8(ascii: isObject ? "}" : "]") ? close() : .fails("Expecting ',' delimiter", at: position)
  }

  private mutating func close() -> Outcome {
    open.removeLast()
    position += 1
    step = .comma
    return .goesOn
  }

  /// `-? (0 | [1-9][0-9]*)` with what may follow it: what is left over is a fault of what comes next.
  private mutating func number() -> Outcome {
    var rest = text[position...]
    if rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
    let whole = rest.prefix { Self.isDigit($0) }
    guard let first = whole.first else { return .fails("Expecting value", at: position) }
    rest = rest.dropFirst(first == UInt8(ascii: "0") ? 1 : whole.count)
    if rest.first == UInt8(ascii: ".") {
      let decimals = rest.dropFirst().prefix { Self.isDigit($0) }
      if !decimals.isEmpty { rest = rest.dropFirst(1 + decimals.count) }
    }
    if let letter = rest.first, letter | 0x20 == UInt8(ascii: "e") {
      var power = rest.dropFirst()
      if let sign = power.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { power = power.dropFirst() }
      let digits = power.prefix { Self.isDigit($0) }
      if !digits.isEmpty { rest = power.dropFirst(digits.count) }
    }
    position = rest.startIndex
    return .goesOn
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  private mutating func string() -> Outcome {
    let start = position
    position += 1
    while position < text.count {
      switch text[position] {
      case UInt8(ascii: "\""):
        position += 1
        return .goesOn
      case UInt8(ascii: "\\"):
        guard position + 1 < text.count else { return .fails("Unterminated string starting at", at: start) }
        if let outcome = escape() { return outcome }
      case 0..<0x20: return .fails("Invalid control character at", at: position)
      default: position += 1
      }
    }
    return .fails("Unterminated string starting at", at: start)
  }

  /// - Returns: nil for one that is right, and was passed.
  private mutating func escape() -> Outcome? {
    let letter = text[position + 1]
    guard letter == UInt8(ascii: "u") else {
      guard "\"\\/bfnrt".utf8.contains(letter) else { return .fails("Invalid \\escape", at: position) }
      position += 2
      return nil
    }
    let digits = text[(position + 2)...].prefix(4)
    let isHex = digits.count == 4 && digits.allSatisfy { Self.isDigit($0) || (0x61...0x66).contains($0 | 0x20) }
    guard isHex else { return .fails("Invalid \\uXXXX escape", at: position + 1) }
    position += 6
    return nil
  }
}
