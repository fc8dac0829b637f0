internal import Money
internal import Values

/// The form of a payment, as a request of `/v1`: what is asked for, and what is refused, is decided in one place.
///
/// Number and CVV of a card go from the body's bytes into the request's, which its owner erases.
struct PaymentForm {
  /// The longest body of the form, in bytes.
  static let maximumBytes = 8_192

  /// What the form itself gets wrong: a field, and what was expected.
  struct Fault: Error, Hashable {
    let code: String
    let field: String
  }

  private let form: FormBody

  init(_ form: FormBody) { self.form = form }

  /// The body of `POST /v1/payments`.
  /// - Parameter payer: who pays where the form names nobody.
  func request(payer: UniqueID) throws(Fault) -> [UInt8] {
    var body: [UInt8] = []
    // It holds a card number, and must not move.
    body.reserveCapacity(6 * Self.maximumBytes + 1_024)
    body += "{\"user_id\":".utf8
    JSONWriter.appendString(form.text("user_id") ?? payer.description, to: &body)
    body += ",\"method\":{\"type\":".utf8
    JSONWriter.appendString(form.text("method") ?? "", to: &body)
    appendSource(to: &body)
    body.append(UInt8(ascii: "}"))
    if let amount = try Self.minorUnits(form.text("amount"), form.text("currency")) {
      body += ",\"amount\":".utf8
      JSONWriter.appendInteger(amount, to: &body)
    }
    for name in ["currency", "description", "payee_id", "external_id"] {
      guard let text = form.text(name) else { continue }
      body += ",\"\(name)\":".utf8
      JSONWriter.appendString(text, to: &body)
    }
    if let order = form.text("order_id") {
      guard let number = Int64(order) else { throw Fault(code: "invalid_order_id", field: "order_id") }
      body += ",\"order_id\":".utf8
      JSONWriter.appendInteger(number, to: &body)
    }
    body.append(UInt8(ascii: "}"))
    return body
  }

  /// The fields of the method that was chosen; what stands in the others' is passed over.
  private func appendSource(to body: inout [UInt8]) {
    switch form.text("method") {
    case "card": appendCard(to: &body)
    case "account": append("number", of: "account", to: &body)
    case "token": append("token", of: "token", to: &body)
    case "balance": append("account_id", of: "account_id", to: &body)
    default: break
    }
  }

  private func append(_ name: String, of field: String, to body: inout [UInt8]) {
    guard let text = form.text(field) else { return }
    body += ",\"\(name)\":".utf8
    JSONWriter.appendString(text, to: &body)
  }

  private func appendCard(to body: inout [UInt8]) {
    body += ",\"card\":{".utf8
    let expiry = form.text("expiry").flatMap(Self.expiry)
    body += "\"exp_month\":\(expiry.map { String($0.month) } ?? "null")".utf8
    body += ",\"exp_year\":\(expiry.map { String($0.year) } ?? "null")".utf8
    if let holder = form.text("holder") {
      body += ",\"holder\":".utf8
      JSONWriter.appendString(holder, to: &body)
    }
    if form.has("number") {
      body += ",\"number\":".utf8
      form.appendJSONString(of: "number", dropsSeparators: true, to: &body)
    }
    if form.has("cvv") {
      body += ",\"cvv\":".utf8
      form.appendJSONString(of: "cvv", dropsSeparators: true, to: &body)
    }
    body.append(UInt8(ascii: "}"))
  }

  /// `12/40`, `12 / 2040`, `1240`.
  static func expiry(_ text: String) -> (month: Int, year: Int)? {
    let digits = text.utf8.filter { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "/") }
    guard digits.count == 4 || digits.count == 6, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    let number = { (part: ArraySlice<UInt8>) in part.reduce(0) { $0 * 10 + Int($1) - 0x30 } }
    let year = number(digits[2...])
    return (number(digits[..<2]), digits.count == 4 ? 2_000 + year : year)
  }

  /// An amount in major units, as people write it: `19.99`, `19,99`, `1 999`.
  /// - Returns: nil where none is given, or no currency by which it could be read.
  static func minorUnits(_ text: String?, _ currency: String?) throws(Fault) -> Int64? {
    guard let text, let currency = currency.flatMap({ Currency($0) }) else { return nil }
    var digits: [UInt8] = []
    for scalar in text.unicodeScalars where !scalar.properties.isWhitespace {
      digits += (scalar == "," ? "." : String(scalar)).utf8
    }
    do throws(DecimalAmount.Fault) {
      return try DecimalAmount.minorUnits(of: digits, exponent: currency.exponent)
    } catch {
      let code =
        switch error {
        case .sign: "amount_not_positive"
        case .outOfRange: "amount_too_large"
        case .empty, .leadingZero, .exponentNotation, .malformed, .tooManyDecimals: "invalid_decimal"
        }
      throw Fault(code: code, field: "amount")
    }
  }
}
