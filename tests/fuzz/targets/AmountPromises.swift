import Values

/// An amount of money is read exactly, or refused for the reason its text has. What is expected is worked out on the
/// text alone: no arithmetic is there that could overflow or round.
enum AmountPromises {
  private typealias Outcome = Result<Int64, DecimalAmount.Fault>

  static func check(_ input: [UInt8]) throws(FuzzFinding) {
    for exponent in [0, 2, 3, 4] {
      let expected = expectation(input, exponent)
      let read = Outcome { () throws(DecimalAmount.Fault) in
        try DecimalAmount.minorUnits(of: input, exponent: exponent)
      }
      try require(read == expected, "an amount of exponent \(exponent) is \(expected), it was read as \(read)")
      // The same in a JSON text, where it can stand there as it is.
      if input.allSatisfy({ (0x20...0x7E).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) {
        let quoted = Array("\"".utf8) + input + "\"".utf8
        try require(inJSON(quoted, exponent) == expected, "a string is read as something else")
      }
      if isNumber(input) {
        try require(inJSON(input, exponent) == expected, "a number is read as something else")
      }
    }
  }

  /// Nil when the text is refused for another reason than the amount.
  private static func inJSON(_ text: [UInt8], _ exponent: Int) -> Outcome? {
    do throws(JSONError) {
      var scanner = try JSONScanner(text, maximumBytes: 1 << 20)
      let units = try scanner.minorUnits(exponent: exponent)
      try scanner.end()
      return .success(units)
    } catch {
      if case .notAnAmount(let fault) = error.code { return .failure(fault) }
      return nil
    }
  }

  /// Whether a text is one JSON number and nothing else.
  private static func isNumber(_ text: [UInt8]) -> Bool {
    guard let last = text.last, text.first.map({ $0 == UInt8(ascii: "-") || isDigit($0) }) == true, isDigit(last),
      var scanner = try? JSONScanner(text, maximumBytes: 1 << 20), (try? scanner.skipValue()) != nil
    else { return false }
    return (try? scanner.end()) != nil
  }

  private static func expectation(_ text: [UInt8], _ exponent: Int) -> Outcome {
    guard let first = text.first else { return .failure(.empty) }
    if first == UInt8(ascii: "-") || first == UInt8(ascii: "+") { return .failure(.sign) }
    let exponentMark = text.firstIndex { $0 == UInt8(ascii: "e") || $0 == UInt8(ascii: "E") }
    let mantissa = text[..<(exponentMark ?? text.endIndex)]
    let parts = mantissa.split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy(isDigit) }) else { return .failure(.malformed) }
    if let exponentMark {
      var power = text[(exponentMark + 1)...]
      if power.first == UInt8(ascii: "+") || power.first == UInt8(ascii: "-") { power = power.dropFirst() }
      return .failure(!power.isEmpty && power.allSatisfy(isDigit) ? .exponentNotation : .malformed)
    }
    if parts[0].count > 1, first == UInt8(ascii: "0") { return .failure(.leadingZero) }
    let decimals = parts.count == 2 ? parts[1].count : 0
    if decimals > exponent { return .failure(.tooManyDecimals) }
    var digits = parts.joined() + [UInt8](repeating: UInt8(ascii: "0"), count: exponent - decimals)
    digits = Array(digits.drop { $0 == UInt8(ascii: "0") })
    // The standard library reads the digits; nil is beyond 64 bits.
    if digits.isEmpty { return .success(0) }
    return Int64(String(decoding: digits, as: UTF8.self)).map { .success($0) } ?? .failure(.outOfRange)
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
