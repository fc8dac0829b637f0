internal import HTTPServer
internal import Values

/// How long a caller asked to wait for a payment's end: `?wait=10s`, or `wait=500ms`; 60 s at most.
enum WaitTime {
  static let longest = Duration.seconds(60)

  /// - Returns: zero where the caller did not ask.
  static func parse(_ query: HTTPQuery) throws(Fault) -> Duration {
    guard let text = try query.only("wait") else { return .zero }
    for (unit, length) in [("ms", Duration.milliseconds(1)), ("s", .seconds(1))] where text.hasSuffix(unit) {
      let digits = text.dropLast(unit.count)
      guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
        let count = Int(digits), length * count <= longest
      else { break }
      return length * count
    }
    throw Fault(400, .invalidParameter, "expected a duration up to 60s, written like 500ms or 10s", field: "wait")
  }
}

extension HTTPQuery {
  /// The value of a parameter that may be given once; nil where it is not given.
  func only(_ name: String) throws(Fault) -> String? {
    let values = values(name)
    guard values.count <= 1 else {
      throw Fault(400, .invalidParameter, "expected the parameter once", field: name)
    }
    return values.first
  }

  /// Refuses parameters that a call does not have: a filter with a slip of the pen would be no filter.
  func requireOnly(_ names: Set<String>) throws(Fault) {
    guard let unknown = items.first(where: { !names.contains($0.name) }) else { return }
    // The name is the caller's text, and may be long.
    let isName = unknown.name.utf8.count <= 64 && unknown.name.utf8.allSatisfy(VisibleName.holds)
    throw Fault(
      400, .unknownParameter, "expected \(names.sorted().joined(separator: ", "))", field: isName ? unknown.name : nil)
  }
}

private enum VisibleName {
  /// A byte of a name that may be shown back: it cannot be a card number with a separator.
  static func holds(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "_") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
  }
}
