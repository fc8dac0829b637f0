public import Runtime

/// A wish to open the payment of an order.
public struct CreateCommand: Sendable, Hashable {
  public let orderID: Int64
  public let amountMinor: Int64
  public let currency: String
  public let idempotentKey: UniqueID?

  /// Checks the caller's words.
  /// - Parameters:
  ///   - amountMinor: in the currency's minor unit, 0 or more; above 0 it needs a currency.
  ///   - currency: three capital letters, or empty.
  ///   - idempotentKey: the key of the inventory message; nil for a call.
  /// - Throws: `invalidArgument` naming the field.
  public init(orderID: Int64, amountMinor: Int64 = 0, currency: String = "", idempotentKey: UniqueID? = nil)
    throws(PaymentError)
  {
    self.orderID = try Validation.orderID(orderID)
    self.amountMinor = try Validation.amount(amountMinor, currency: currency)
    self.currency = try Validation.currency(currency)
    self.idempotentKey = idempotentKey
  }
}

/// What became of a wish to open a payment.
public enum CreateOutcome: Sendable, Hashable {
  /// It was opened, with its first event.
  case created(Payment)
  /// The order already had this payment; nothing changed.
  case existing(Payment)

  public var payment: Payment {
    switch self {
    case .created(let payment), .existing(let payment): payment
    }
  }
}

/// Opening many payments at once. Pure; the caller does the inserting.
public struct CreateBatch: Sendable {
  private let commands: [CreateCommand]
  /// The commands to insert: the first of each order, by ascending order id (the order of locks).
  public let inserts: [CreateCommand]

  public init(_ commands: [CreateCommand]) {
    self.commands = commands
    var seen = Set<Int64>(minimumCapacity: commands.count)
    inserts = commands.filter { seen.insert($0.orderID).inserted }.sorted { $0.orderID < $1.orderID }
  }

  /// The events of the payments that were really inserted, in their order.
  public static func events(of created: [Payment], newID: () -> UniqueID) -> [PaymentEvent] {
    created.map { PaymentEvent(eventID: newID(), payment: $0) }
  }

  /// The outcome of each command, in the order they were given, as if they came one after another.
  /// - Parameters:
  ///   - created: the payments this batch inserted.
  ///   - existing: the payments that stood in the way of the others.
  public func outcomes(created: [Payment], existing: [Payment]) -> [Result<CreateOutcome, PaymentError>] {
    var opened: [Int64: Payment] = [:]
    for payment in created { opened[payment.orderID] = payment }
    var stored: [Int64: Payment] = [:]
    for payment in existing { stored[payment.orderID] = payment }
    return commands.map { command in
      if let payment = opened.removeValue(forKey: command.orderID) {
        stored[command.orderID] = payment
        return .success(.created(payment))
      }
      guard let payment = stored[command.orderID] else {
        return .failure(PaymentError(.internal, "order \(command.orderID) was neither inserted nor found"))
      }
      // A command that names no amount claims none.
      let isSame = payment.amountMinor == command.amountMinor && payment.currency == command.currency
      guard isSame || (command.amountMinor == 0 && command.currency.isEmpty) else {
        let text = "order \(command.orderID) already has a payment of another amount or currency"
        return .failure(PaymentError(.alreadyExists, text))
      }
      return .success(.existing(payment))
    }
  }
}
