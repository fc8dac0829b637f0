public import Money
public import Values

/// A request to charge, as `POST /payment` has it. Its numbers are not kept.
public struct ChargeRequest: Sendable {
  /// The caller's own id of the operation.
  public let operationID: UniqueID
  /// Who pays.
  public let userID: UniqueID
  /// Above zero.
  public let amount: Money
  /// What it is paid from.
  public let source: Source

  /// What a charge is paid from.
  public enum Source: Sendable, Hashable {
    /// A card, by its number.
    case card(String)
    /// An account, by its number.
    case account(String)
    /// What the bank gave for an earlier charge.
    case token(String)

    /// The digits that decide, see `BankBook`.
    var text: String {
      switch self {
      case .card(let text), .account(let text), .token(let text): text
      }
    }
  }

  /// Why a request is none. It quotes no values.
  public struct Unreadable: Error, Sendable, Hashable, CustomStringConvertible {
    /// The field, and what is wrong with it.
    public let description: String
  }

  /// Reads a request: `operation_id`, `user_id`, `amount` (a number or a string in major units), `currency` (USD unless
  /// given), and `card_number`, `account_number` or `card_token`. Other fields are passed over.
  public init(_ json: [UInt8]) throws(Unreadable) {
    do {
      // The currency decides how the amount is read, and may come after it.
      let currency = try Self.currency(json)
      self = try Self.read(json, currency)
    } catch let error as Unreadable {
      throw error
    } catch {
      throw Unreadable(description: "\(error)")
    }
  }

  private init(operationID: UniqueID, userID: UniqueID, amount: Money, source: Source) {
    self.operationID = operationID
    self.userID = userID
    self.amount = amount
    self.source = source
  }

  /// The currency that a request names; USD unless it does.
  static func currency(_ json: [UInt8]) throws -> Currency {
    var scanner = try JSONScanner(json, maximumBytes: 65_536)
    var code = "USD"
    try scanner.beginObject()
    while let field = try scanner.nextKey() {
      if field == "currency" { code = try scanner.string() } else { try scanner.skipValue() }
    }
    guard let currency = Currency(code) else { throw Unreadable(description: "currency is none of ISO 4217") }
    return currency
  }

  private static func read(_ json: [UInt8], _ currency: Currency) throws -> ChargeRequest {
    var operationID: UniqueID?
    var userID: UniqueID?
    var amount: Int64?
    var source: Source?
    var scanner = try JSONScanner(json, maximumBytes: 65_536)
    try scanner.beginObject()
    while let field = try scanner.nextKey() {
      switch field {
      case "operation_id": operationID = try scanner.uniqueID()
      case "user_id": userID = try scanner.uniqueID()
      case "amount": amount = try scanner.minorUnits(exponent: currency.exponent)
      case "card_number": source = .card(try digits(&scanner))
      case "account_number": source = .account(try digits(&scanner))
      case "card_token": source = .token(try scanner.string())
      default: try scanner.skipValue()
      }
    }
    try scanner.end()
    guard let operationID else { throw Unreadable(description: "operation_id is missing") }
    guard let userID else { throw Unreadable(description: "user_id is missing") }
    guard let amount, amount > 0 else { throw Unreadable(description: "amount must be above zero") }
    guard let source else {
      throw Unreadable(description: "card_number, account_number or card_token is missing")
    }
    return ChargeRequest(
      operationID: operationID, userID: userID, amount: Money(minorUnits: amount, currency), source: source)
  }

  /// A number or a string, as old callers write both.
  private static func digits(_ scanner: inout JSONScanner) throws -> String {
    try scanner.peek() == .number ? String(try scanner.integer()) : try scanner.string()
  }
}
