public import Tracing
public import Values

/// A wish to open the payment of an order.
public struct CreateCommand: Sendable, Hashable {
  /// Above 0.
  public let orderID: Int64
  /// In the currency's minor unit, 0 or more.
  public let amountMinor: Int64
  /// Three capital letters, or empty.
  public let currency: String
  /// The key of the inventory message; nil for a call.
  public let idempotentKey: UniqueID?
  /// The key under which a call is made once; nil for a message, and for a call without one.
  public let callKey: IdempotencyKey?
  /// The trace that the call or message belongs to.
  public var trace: TraceContext?
  /// Who calls; nil for a message.
  public let caller: String?
  /// Where the message that asks lies, `topic/partition@offset`; nil for a call.
  public let place: String?

  /// Checks the caller's words.
  /// - Parameters:
  ///   - amountMinor: in the currency's minor unit, 0 or more; above 0 it needs a currency.
  ///   - currency: three capital letters, or empty.
  ///   - idempotentKey: the key of the inventory message; nil for a call.
  ///   - callKey: the key under which a call is made once; nil for a message, and for a call that has none.
  ///   - trace: what the call or message is a part of; passed on with the event.
  ///   - caller: who calls; nil for a message. Passed on with the event.
  ///   - place: where the message lies, `topic/partition@offset`; nil for a call.
  /// - Throws: `invalidArgument` naming the field.
  public init(
    orderID: Int64, amountMinor: Int64 = 0, currency: String = "", idempotentKey: UniqueID? = nil,
    callKey: IdempotencyKey? = nil, trace: TraceContext? = nil, caller: String? = nil, place: String? = nil
  ) throws(PaymentError) {
    self.orderID = try Validation.orderID(orderID)
    self.amountMinor = try Validation.amount(amountMinor, currency: currency)
    self.currency = try Validation.currency(currency)
    self.idempotentKey = idempotentKey
    self.callKey = callKey
    self.trace = trace
    self.caller = caller
    self.place = place
  }

  /// Who asks, as the payment's row keeps it; nil when nobody is known.
  public var origin: String? { PaymentOrigin.line(caller ?? place, trace) }

  /// What must be the same when the same key comes again, of a call or a message: everything that was asked for in one
  /// canonical form, `111/250/EUR`. A field that is added later must add nothing here when it has its default.
  public var fingerprint: [UInt8] {
    var bytes: [UInt8] = []
    JSONWriter.appendInteger(orderID, to: &bytes)
    bytes.append(UInt8(ascii: "/"))
    JSONWriter.appendInteger(amountMinor, to: &bytes)
    bytes.append(UInt8(ascii: "/"))
    bytes += currency.utf8
    return bytes
  }

  /// Whether the payment its order has is what it asks for; a command that names no amount asks for none.
  public func agrees(with payment: Payment) -> Bool {
    let isSame = payment.amountMinor == amountMinor && payment.currency == currency
    return payment.orderID == orderID && (isSame || (amountMinor == 0 && currency.isEmpty))
  }
}

/// What became of a wish to open a payment.
public enum CreateOutcome: Sendable, Hashable {
  /// It was opened, with its first event.
  case created(Payment)
  /// The order already had this payment; nothing changed.
  case existing(Payment)
  /// A call with the same key was answered with this payment; nothing changed.
  case replayed(Payment)

  /// The order's payment, as the caller is answered.
  public var payment: Payment {
    switch self {
    case .created(let payment), .existing(let payment), .replayed(let payment): payment
    }
  }
}

/// Opening many payments at once. Pure; the caller holds the keys' locks and does the inserting.
public struct CreateBatch: Sendable {
  private enum Step {
    /// Its key tells what to answer. Indirect, since few have one and a step is made for each command.
    indirect case decided(Result<CreateOutcome, PaymentError>)
    /// It is to be executed.
    case execute
    /// It has the key of an earlier command of the batch that is to be executed, at this place.
    case follow(Int)
  }

  private let commands: [CreateCommand]
  private let steps: [Step]
  private let archived: FoundPayments
  /// The commands to insert: the first of each order, by ascending order id (the order of locks).
  public let inserts: [CreateCommand]

  /// - Parameters:
  ///   - keys: what is known of the commands' keys.
  ///   - archived: payments of the archive that are known already; their orders get no other.
  public init(
    _ commands: [CreateCommand], keys: KeyStates = KeyStates(), archived: FoundPayments = FoundPayments()
  ) {
    self.commands = commands
    self.archived = archived
    let steps = Self.steps(commands, keys)
    self.steps = steps
    var seen = Set(archived.payments.map(\.orderID)).union(archived.unreadable.compactMap(\.orderID))
    inserts =
      zip(commands, steps).filter { command, step in
        if case .execute = step { seen.insert(command.orderID).inserted } else { false }
      }
      .map(\.0).sorted { $0.orderID < $1.orderID }
  }

  private static func steps(_ commands: [CreateCommand], _ keys: KeyStates) -> [Step] {
    var firsts: [IdempotencyKey: Int] = [:]
    return commands.enumerated().map { index, command in
      guard let key = command.callKey else { return .execute }
      if keys.inFlight.contains(key) { return .decided(.failure(inFlight)) }
      if let error = keys.unreadable[key] { return .decided(.failure(error)) }
      if let answer = keys.answered[key] {
        return .decided(repeated(command, fingerprint: answer.fingerprint, answer.payment))
      }
      if let first = firsts[key] { return .follow(first) }
      firsts[key] = index
      return .execute
    }
  }

  /// The events of the payments that were really inserted, in their order.
  public func events(of created: [Payment], newID: () -> UniqueID) -> [PaymentEvent] {
    var openers: [Int64: CreateCommand] = [:]
    for command in inserts { openers[command.orderID] = command }
    return created.map { payment in
      let opener = openers[payment.orderID]
      return PaymentEvent(eventID: newID(), payment: payment, trace: opener?.trace, caller: opener?.caller)
    }
  }

  /// The outcome of each command, in the order they were given, as if they came one after another.
  /// - Parameters:
  ///   - created: the payments this batch inserted.
  ///   - existing: what stood in the way of the others; those of `created` may be among them.
  public func outcomes(created: [Payment], existing: FoundPayments) -> [Result<CreateOutcome, PaymentError>] {
    var opened: [Int64: Payment] = [:]
    for payment in created { opened[payment.orderID] = payment }
    var stored: [Int64: Payment] = [:]
    for payment in archived.payments + existing.payments { stored[payment.orderID] = payment }
    let notRead = archived.unreadable + existing.unreadable
    var outcomes: [Result<CreateOutcome, PaymentError>] = []
    outcomes.reserveCapacity(commands.count)
    for (command, step) in zip(commands, steps) {
      switch step {
      case .decided(let outcome): outcomes.append(outcome)
      case .follow(let first): outcomes.append(follow(command, commands[first], outcomes[first]))
      case .execute:
        if let payment = opened.removeValue(forKey: command.orderID) {
          stored[command.orderID] = payment
          outcomes.append(.success(.created(payment)))
        } else {
          let unreadable = notRead.first { $0.orderID == command.orderID }
          outcomes.append(unreadable.map { .failure($0.error) } ?? Self.found(command, stored[command.orderID]))
        }
      }
    }
    return outcomes
  }

  /// What to keep of the commands that were executed under a key. Only successes: what was refused changed nothing, and
  /// is decided again when it comes again.
  /// - Parameter outcomes: as `outcomes(created:existing:)` gave them.
  public func answers(_ outcomes: [Result<CreateOutcome, PaymentError>]) -> [KeyedAnswer] {
    zip(zip(commands, steps), outcomes).compactMap { asked, outcome in
      guard case .execute = asked.1, let key = asked.0.callKey, case .success(let success) = outcome else { return nil }
      return KeyedAnswer(key: key, fingerprint: asked.0.fingerprint, payment: success.payment)
    }
  }

  private static func found(_ command: CreateCommand, _ payment: Payment?) -> Result<CreateOutcome, PaymentError> {
    guard let payment else {
      return .failure(PaymentError(.internal, "order \(command.orderID) was neither inserted nor found"))
    }
    guard command.agrees(with: payment) else {
      let text = "order \(command.orderID) already has a payment of another amount or currency"
      return .failure(PaymentError(.alreadyExists, text))
    }
    return .success(.existing(payment))
  }

  /// The second use of a key within the batch.
  private func follow(
    _ command: CreateCommand, _ first: CreateCommand, _ outcome: Result<CreateOutcome, PaymentError>
  ) -> Result<CreateOutcome, PaymentError> {
    switch outcome {
    case .success(let success): Self.repeated(command, fingerprint: first.fingerprint, success.payment)
    // The same request on the same payment: its amount never changes.
    case .failure where command.fingerprint == first.fingerprint: outcome
    // The key is free again, but this one was not executed.
    case .failure: .failure(Self.inFlight)
    }
  }

  private static func repeated(
    _ command: CreateCommand, fingerprint: [UInt8], _ payment: Payment
  ) -> Result<CreateOutcome, PaymentError> {
    guard command.fingerprint == fingerprint else {
      let text = "\(IdempotencyKey.field) was used for another request; use a new key for a new request"
      return .failure(PaymentError(.keyReused, text))
    }
    return .success(.replayed(payment))
  }

  private static var inFlight: PaymentError {
    PaymentError(.keyInFlight, "a call with this \(IdempotencyKey.field) is under way; make the same call again soon")
  }
}
