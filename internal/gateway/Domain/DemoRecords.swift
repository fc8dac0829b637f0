public import DirectDomain
public import Money
public import Values

/// A user of the demo surface.
public struct DemoUser: Sendable, Hashable {
  /// The caller's own, or made here.
  public let id: UniqueID
  /// For people.
  public let firstName: String?
  /// For people.
  public let lastName: String?

  /// A user.
  public init(id: UniqueID, firstName: String?, lastName: String?) {
    self.id = id
    self.firstName = firstName
    self.lastName = lastName
  }
}

/// A payment method of the demo surface: a name for something.
public struct DemoMethod: Sendable, Hashable {
  /// The caller's own, or made here.
  public let id: UniqueID
  /// For people.
  public let name: String?

  /// A payment method.
  public init(id: UniqueID, name: String?) {
    self.id = id
    self.name = name
  }
}

/// A payment request of the demo surface, which is scored and published and never executed.
public struct DemoRequest: Sendable, Hashable {
  /// The caller's own, or made here.
  public let id: UniqueID
  /// Who pays.
  public let userID: UniqueID
  /// Who is paid.
  public let payeeID: UniqueID
  /// What is paid with.
  public let methodID: UniqueID
  /// Above zero.
  public let amount: SixPlaceAmount
  /// The currency.
  public let currency: Currency

  /// A request.
  public init(
    id: UniqueID, userID: UniqueID, payeeID: UniqueID, methodID: UniqueID, amount: SixPlaceAmount, currency: Currency
  ) {
    self.id = id
    self.userID = userID
    self.payeeID = payeeID
    self.methodID = methodID
    self.amount = amount
    self.currency = currency
  }

  /// Adds its fields, as callers and readers of its topic see them.
  public func add(to object: inout JSONObjectWriter) {
    object.add("payment_request_id", id)
    object.add("user_id", userID)
    object.add("payee_id", payeeID)
    object.add("payment_method_id", methodID)
    object.add("amount", amount)
    object.add("currency", currency.code)
  }

  /// What risk is to score.
  public var scoring: ScoringRequest {
    ScoringRequest(
      requestID: id, userID: userID, payeeID: payeeID, paymentMethodID: methodID, amount: amount, currency: currency)
  }
}

/// A row of the demo surface with the moment in which it was added.
public struct DemoRow<Record: Sendable & Hashable>: Sendable, Hashable {
  /// What was added.
  public let record: Record
  /// When.
  public let createdAt: Timestamp

  /// A row.
  public init(_ record: Record, createdAt: Timestamp) {
    self.record = record
    self.createdAt = createdAt
  }
}

/// Which rows of a list of the demo surface to show, oldest first.
public struct DemoPage: Sendable, Hashable {
  /// The most rows of a page.
  public static let longest = 10_000

  /// From 1 to `longest`.
  public var limit = 1_000
  /// The last row of the page before; nil for the first page.
  public var after: DemoCursor?

  /// The first page.
  public init() {}
}

/// A place in a list of the demo surface.
public struct DemoCursor: Sendable, Hashable {
  /// When the row was added.
  public let createdAt: Timestamp
  /// The row.
  public let id: UniqueID

  /// The place behind a row.
  public init(createdAt: Timestamp, id: UniqueID) {
    self.createdAt = createdAt
    self.id = id
  }

  /// For a caller to hand back.
  public var text: String { "\(createdAt.microseconds).\(id)" }

  /// Reads what `text` makes; nil for anything else.
  public init?(_ text: String) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2, let time = Int64(parts[0]), let id = UniqueID(parts[1]) else { return nil }
    self.init(createdAt: Timestamp(microseconds: time), id: id)
    guard self.text == text, createdAt.clamped == createdAt else { return nil }
  }
}
