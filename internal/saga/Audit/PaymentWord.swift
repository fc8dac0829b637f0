internal import Values

/// A payment's status in one byte.
enum PaymentWord: UInt8, CustomStringConvertible {
  case unknown, created, completed, failed

  init(_ word: String) {
    switch word {
    case "CREATED": self = .created
    case "COMPLETED": self = .completed
    case "FAILED": self = .failed
    default: self = .unknown
    }
  }

  /// What the event's payload says.
  init(payload: [UInt8]) {
    self = .unknown
    do throws(JSONError) {
      var scanner = try JSONScanner(payload, maximumBytes: 1 << 20)
      try scanner.beginObject()
      while let key = try scanner.nextKey() {
        if key == "status", try scanner.peek() == .string {
          self = PaymentWord(try scanner.string())
          return
        }
        try scanner.skipValue()
      }
    } catch {
      // Not ours: it says nothing about a payment.
    }
  }

  var description: String {
    switch self {
    case .unknown: "nothing known"
    case .created: "CREATED"
    case .completed: "COMPLETED"
    case .failed: "FAILED"
    }
  }
}
