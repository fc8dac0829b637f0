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

  var description: String {
    switch self {
    case .unknown: "nothing known"
    case .created: "CREATED"
    case .completed: "COMPLETED"
    case .failed: "FAILED"
    }
  }
}

/// A payment's amount and currency in two bytes, enough to see nearly every difference.
struct PaymentMoney: Sendable, Hashable {
  /// The event does not say: events of earlier versions.
  static let untold = PaymentMoney(digest: 0)

  private let digest: UInt16

  private init(digest: UInt16) { self.digest = digest }

  init(amountMinor: Int64, currency: String) {
    let hash = AuditHash.mix(UInt64(bitPattern: amountMinor) ^ AuditHash.of(Array(currency.utf8)))
    digest = UInt16(truncatingIfNeeded: hash) | 1
  }
}

/// The payment as an event's payload describes it.
struct ToldPayment: Sendable, Hashable {
  private(set) var status = PaymentWord.unknown
  private(set) var money = PaymentMoney.untold

  /// Nothing.
  init() {}

  init(payload: [UInt8]) {
    var amount: Int64?
    var currency = ""
    do throws(JSONError) {
      var scanner = try JSONScanner(payload, maximumBytes: 1 << 20)
      try scanner.beginObject()
      while let key = try scanner.nextKey() {
        switch (key, try scanner.peek()) {
        case ("status", .string): status = PaymentWord(try scanner.string())
        case ("amount_minor", .number): amount = try scanner.integer()
        case ("currency", .string): currency = try scanner.string()
        default: try scanner.skipValue()
        }
      }
    } catch {
      // Not ours: what it says beyond this is not known.
    }
    if let amount { money = PaymentMoney(amountMinor: amount, currency: currency) }
  }
}
