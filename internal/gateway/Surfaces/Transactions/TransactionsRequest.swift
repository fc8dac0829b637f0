internal import Cards
package import Money
package import UserNames
internal import Values

/// The body of `POST /api/payment_transactions`. Unknown fields are passed over; all that is wrong is told at once.
package struct TransactionsRequest: Sendable, Hashable {
  /// The longest body, in bytes.
  static let maximumBytes = 16_384
  /// The amounts, in the unit that the surface has.
  package static let amounts = 1...Int64(Int32.max)
  static let currencies = ["BYN", "RUB", "USD", "EUR", "JPY"]

  /// Who pays.
  package let user: UserName
  /// The amount.
  package let coin: Int64
  /// The currency.
  package let currency: Currency

  /// Reads a body.
  package init(_ body: [UInt8]) throws(TransactionsFault) {
    var fields = try Fields(body)
    let (user, coin, currency) = (fields.user(), fields.coin(), fields.currency())
    guard let user, let coin, let currency else { throw .invalid(fields.errors) }
    self.user = user
    self.coin = coin
    self.currency = currency
  }

  /// The values of the fields as they stand in the body.
  private struct Fields {
    private var values: [String: ArraySlice<UInt8>] = [:]
    private(set) var errors: [TransactionsFault.FieldError] = []

    init(_ body: [UInt8]) throws(TransactionsFault) {
      do throws(JSONError) {
        var scanner = try JSONScanner(body, maximumBytes: maximumBytes)
        try scanner.beginObject()
        while let name = try scanner.nextKey() { values[name] = try scanner.rawValue() }
        try scanner.end()
      } catch {
        throw .invalid([], "тело запроса не является объектом JSON")
      }
    }

    /// The value of a field that must be there and is no null.
    private mutating func value(_ name: String) -> ArraySlice<UInt8>? {
      guard let value = values[name], value.first != UInt8(ascii: "n") else {
        errors.append(.init(name, rejected: nil, "не должно равняться null"))
        return nil
      }
      return value
    }

    private mutating func refuse(_ name: String, _ value: ArraySlice<UInt8>?, _ message: String) {
      errors.append(.init(name, rejected: value, message))
    }

    private static func text(_ value: ArraySlice<UInt8>) -> String? {
      guard var scanner = try? JSONScanner(Array(value), maximumBytes: maximumBytes) else { return nil }
      return try? scanner.string()
    }

    mutating func user() -> UserName? {
      guard let value = value("userName") else { return nil }
      guard let text = Self.text(value) else {
        refuse("userName", value, "должно быть строкой")
        return nil
      }
      guard !containsCardNumber(text.utf8) else {
        refuse("userName", nil, "не должно содержать номер карты")
        return nil
      }
      guard let user = UserName(text) else {
        let lengths = UserName.lengths
        refuse(
          "userName", value,
          UserName.hasControlCharacter(text)
            ? "не должно содержать управляющих символов"
            : "размер должен находиться в диапазоне от \(lengths.lowerBound) до \(lengths.upperBound)")
        return nil
      }
      return user
    }

    /// A number, or a string of its digits.
    mutating func coin() -> Int64? {
      guard let value = value("amount") else { return nil }
      let digits = Self.text(value).map { Array($0.utf8)[...] } ?? value
      let isNegative = digits.first == UInt8(ascii: "-")
      let number = isNegative ? digits.dropFirst() : digits
      guard !number.isEmpty, number.allSatisfy({ (0x30...0x39).contains($0) }) else {
        refuse("amount", value, "должно быть целым числом")
        return nil
      }
      let amounts = TransactionsRequest.amounts
      let coin = Int64(String(decoding: number, as: UTF8.self)) ?? .max
      guard !isNegative, coin >= amounts.lowerBound else {
        refuse("amount", value, "должно быть не меньше \(amounts.lowerBound)")
        return nil
      }
      guard coin <= amounts.upperBound else {
        refuse("amount", value, "должно быть не больше \(amounts.upperBound)")
        return nil
      }
      return coin
    }

    mutating func currency() -> Currency? {
      guard let value = value("currency") else { return nil }
      guard let code = Self.text(value), currencies.contains(code), let currency = Currency(code) else {
        refuse("currency", value, "должно быть одним из значений: \(currencies.joined(separator: ", "))")
        return nil
      }
      return currency
    }
  }
}
