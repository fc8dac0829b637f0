internal import Cards
package import GatewayDomain
package import Money
internal import UserNames
package import Values

/// Reads the body of `POST /payments/`: `userId`, `accountNumber` and `amount` are needed. What is the server's is
/// passed over, whatever the caller sent; so are unknown fields.
package struct PaymentsRequest {
  /// The longest body, in bytes.
  static let maximumBytes = 16_384
  /// The longest texts, in bytes.
  private static let maximumText = 500

  /// Who is paid.
  let merchant: UniqueID
  /// What the amounts are in.
  let currency: Currency

  /// - Parameters:
  ///   - merchant: who is paid.
  ///   - currency: what the amounts are in.
  package init(merchant: UniqueID, currency: Currency) {
    self.merchant = merchant
    self.currency = currency
  }

  /// The payment that is asked for.
  package func read(_ body: [UInt8]) throws(FieldErrors) -> PaymentRequest {
    let values = try Self.values(body)
    let whole = FieldErrors.compact(body)
    var errors = FieldErrors()
    let user = text("userId", PaymentRequest.maximumName, values, required: whole, &errors)
    state(values, &errors)
    let account = text(
      "accountNumber", PaymentRequest.maximumName, values, required: whole, mayHaveNumber: true, &errors)
    let amount = amount(values, whole, &errors)
    let description = text("description", Self.maximumText, values, required: nil, &errors)
    let note = text("extPaymentDetails", Self.maximumText, values, required: nil, &errors)
    guard errors.items.isEmpty, let user, let account, let amount else { throw errors }
    let origin = PaymentsDetails(user: user, account: account, note: note).origin
    do throws(RequestFault) {
      return try PaymentRequest(
        from: origin, userID: UniqueID(user) ?? NamedUser.id(named: user), merchant: merchant,
        source: .account(number: account), amount: Money(minorUnits: amount, currency),
        description: description?.isEmpty == true ? nil : description)
    } catch {
      throw FieldErrors([.refused(Self.name(of: error.field), error.detail)])
    }
  }

  /// Our name of a field of `/v1`.
  private static func name(of field: String?) -> String {
    switch field {
    case "user_id": "userId"
    case "method.number": "accountNumber"
    default: field ?? "amount"
    }
  }

  /// The values by the names of their fields, as they stand in the body without white space.
  private static func values(_ body: [UInt8]) throws(FieldErrors) -> [String: [UInt8]] {
    guard !body.isEmpty else { throw FieldErrors([.noBody]) }
    let values: [String: [UInt8]]?
    do throws(JSONError) {
      values = try members(of: body)
    } catch {
      throw FieldErrors([FieldErrors.Item(error, in: body)])
    }
    guard let values else { throw FieldErrors([.noObject(FieldErrors.compact(body))]) }
    return values
  }

  /// - Returns: nil for a text that is no object.
  private static func members(of body: [UInt8]) throws(JSONError) -> [String: [UInt8]]? {
    var scanner = try JSONScanner(body, maximumBytes: maximumBytes, maximumDepth: 32)
    guard try scanner.peek() == .object else {
      try scanner.skipValue()
      try scanner.end()
      return nil
    }
    var values: [String: [UInt8]] = [:]
    try scanner.beginObject()
    while let field = try scanner.nextKey() { values[field] = FieldErrors.compact(try scanner.rawValue()) }
    try scanner.end()
    return values
  }

  /// A text of at most so many bytes.
  /// - Parameters:
  ///   - required: the whole body where the field must be there, and not be empty.
  ///   - mayHaveNumber: whether it is a number itself: `PaymentRequest` says which ones are cards'.
  private func text(
    _ field: String, _ limit: Int, _ values: [String: [UInt8]], required: [UInt8]?, mayHaveNumber: Bool = false,
    _ errors: inout FieldErrors
  ) -> String? {
    guard let value = values[field] else {
      if let required { errors.add(.missing(field, body: required)) }
      return nil
    }
    if required == nil, value == Self.null { return nil }
    guard let text = Self.string(value) else {
      errors.add(.noText(field, value))
      return nil
    }
    if required != nil, text.isEmpty {
      errors.add(.tooShort(field, value))
    } else if text.utf8.count > limit {
      errors.add(.tooLong(field, limit, value))
    } else if text.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) }) {
      errors.add(.refused(field, "expected text without control characters"))
    } else if !mayHaveNumber, containsCardNumber(text.utf8) {
      errors.add(.refused(field, "expected text without card numbers"))
    } else {
      return text
    }
    return nil
  }

  private func state(_ values: [String: [UInt8]], _ errors: inout FieldErrors) {
    guard let value = values["state"], value != Self.null else { return }
    guard let word = Self.string(value), ["pending", "completed", "rejected"].contains(word) else {
      return errors.add(.unknownState("state", value))
    }
  }

  private func amount(_ values: [String: [UInt8]], _ body: [UInt8], _ errors: inout FieldErrors) -> Int64? {
    guard let value = values["amount"] else {
      errors.add(.missing("amount", body: body))
      return nil
    }
    let text = Self.string(value).map { Array($0.utf8) }
    guard let number = text ?? (Self.isNumber(value) ? value : nil) else {
      errors.add(.noNumber("amount", value))
      return nil
    }
    do throws(ExactAmount.Fault) {
      return try ExactAmount.minorUnits(number, exponent: currency.exponent)
    } catch {
      let largest = Money(minorUnits: PaymentRequest.maximumAmount, currency).decimal
      errors.add(.amount(error, "amount", value, decimals: currency.exponent, largest: largest))
      return nil
    }
  }

  private static let null = Array("null".utf8)

  private static func isNumber(_ value: [UInt8]) -> Bool {
    value.first.map { $0 == UInt8(ascii: "-") || (0x30...0x39).contains($0) } ?? false
  }

  /// - Returns: nil for what is no string.
  private static func string(_ value: [UInt8]) -> String? {
    guard var scanner = try? JSONScanner(value, maximumBytes: maximumBytes) else { return nil }
    return try? scanner.string()
  }
}
