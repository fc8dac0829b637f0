internal import Values

/// Parameters of a list.
enum QueryFields {
  /// Hands each parameter over; an unknown name, or one that comes twice, is refused.
  static func read(
    _ items: [(name: String, value: String)], names: [String], _ field: (String, String) throws(RequestFault) -> Void
  ) throws(RequestFault) {
    var seen: Set<String> = []
    for (name, value) in items {
      guard names.contains(name) else {
        throw RequestFault(.unknownParameter, nil, "expected only \(names.joined(separator: ", "))")
      }
      guard seen.insert(name).inserted else { throw RequestFault(.invalidParameter, name, "expected it once") }
      try field(name, value)
    }
  }

  static func moment(_ text: String, _ name: String) throws(RequestFault) -> Timestamp {
    try value(Timestamp(text), name, "a time of RFC 3339, such as 2026-01-31T08:15:00Z")
  }

  static func limit(_ text: String, _ name: String) throws(RequestFault) -> Int {
    let number = Int(text).flatMap { (1...PaymentFilter.maximumLimit).contains($0) ? $0 : nil }
    return try value(number, name, "an integer from 1 to \(PaymentFilter.maximumLimit)")
  }

  static func requireOrder(_ from: Timestamp?, _ to: Timestamp?) throws(RequestFault) {
    if let from, let to, to < from { throw RequestFault(.invalidParameter, "to", "expected no moment before from") }
  }

  static func value<Value>(_ value: Value?, _ name: String, _ expected: String) throws(RequestFault) -> Value {
    guard let value else { throw RequestFault(.invalidParameter, name, "expected \(expected)") }
    return value
  }
}
