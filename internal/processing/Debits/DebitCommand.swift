public import Money
public import UserNames
public import Values

/// A debit of a user's balance, as a message of the topic of debits commands it (api/topics/debits.schema.json).
public struct DebitCommand: Sendable, Hashable {
  /// The longest message that is read, in bytes.
  public static let maximumBytes = 16_384

  /// The debit: it has one effect and one result, however often its message comes.
  public let id: UniqueID
  /// Who pays.
  public let user: UserName
  /// Above zero.
  public let amount: Money

  /// A debit.
  public init(id: UniqueID, user: UserName, amount: Money) {
    self.id = id
    self.user = user
    self.amount = amount
  }

  /// Reads a message; unknown fields are ignored, whatever they hold, and null counts as absent.
  /// - Parameter unit: of `amount`.
  public init(_ value: [UInt8]?, unit: AmountUnit) throws(UnreadableDebit) {
    guard let value else { throw UnreadableDebit("the message has no value") }
    var id: UniqueID?
    var name: String?
    var number: Int64?
    var code: String?
    do throws(JSONError) {
      var scanner = try JSONScanner(value, maximumBytes: Self.maximumBytes)
      try scanner.beginObject()
      while let field = try scanner.nextKey() {
        switch field {
        case "id": id = try scanner.null() ? nil : try scanner.uniqueID()
        case "userName": name = try scanner.null() ? nil : try scanner.string()
        case "amount": number = try scanner.null() ? nil : try scanner.integer()
        case "currency": code = try scanner.null() ? nil : try scanner.string()
        default: try scanner.skipValue()
        }
      }
      try scanner.end()
    } catch {
      throw UnreadableDebit("not a debit: \(error)")
    }
    guard let id else { throw UnreadableDebit("id is missing") }
    guard let user = name.flatMap({ UserName($0) }) else {
      throw UnreadableDebit("userName is not of 3 to 32 characters")
    }
    guard let currency = code.flatMap({ Currency($0) }) else { throw UnreadableDebit("currency is none of ISO 4217") }
    guard let number, number > 0 else { throw UnreadableDebit("amount is no integer above zero") }
    guard let amount = unit.money(number, currency) else {
      throw UnreadableDebit("amount is more minor units than 64 bits hold")
    }
    self.init(id: id, user: user, amount: amount)
  }
}

/// Why a message is no debit. It quotes no values.
public struct UnreadableDebit: Error, Sendable, Hashable, CustomStringConvertible {
  /// What is wrong, and with which field.
  public let description: String

  init(_ description: String) { self.description = description }
}
