internal import Cards
package import GatewayDomain
package import Money
package import Values

/// Why a request to the cards surface is refused; it names the field and never a value.
package struct CardsFault: Error, Hashable {
  /// For people.
  package let message: String
}

/// Reads the body of `POST /payment`. Unknown fields are passed over, and null counts as absent.
package struct CardsRequest {
  /// The longest body, in bytes.
  static let maximumBytes = 16_384
  /// Digits of a CVV that is a number at least: numbers have no leading zeros.
  private static let cvvDigits = 3

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
  /// - Parameter user: set as soon as it was read: the answer to a refused request names it.
  package func read(_ body: [UInt8], user: inout UniqueID?) throws(CardsFault) -> PaymentRequest {
    var amount: ArraySlice<UInt8>?
    var holder: String?
    var number: SecretBytes?
    var cvv: SecretBytes?
    do throws(JSONError) {
      var scanner = try JSONScanner(body, maximumBytes: Self.maximumBytes, maximumDepth: 16)
      try scanner.beginObject()
      while let field = try scanner.nextKey() {
        switch field {
        case "user_id": user = try scanner.null() ? nil : try scanner.uniqueID()
        case "amount": amount = try scanner.null() ? nil : try scanner.rawValue()
        case "card_number": number = try scanner.null() ? nil : try CardDetails.digits(&scanner)
        case "card_holder_name": holder = try scanner.null() ? nil : try scanner.string()
        case "cvv": cvv = try scanner.null() ? nil : try CardDetails.digits(&scanner, minimum: Self.cvvDigits)
        default: try scanner.skipValue()
        }
      }
      try scanner.end()
    } catch {
      throw Self.fault(error)
    }
    guard let user else { throw CardsFault(message: "user_id is missing") }
    let money = Money(minorUnits: try minorUnits(amount), currency)
    let card = try Self.card(CardDetails(number: number, cvv: cvv, holder: holder))
    do throws(RequestFault) {
      return try PaymentRequest(
        from: CardsDetails(holder: card.holder).origin, userID: user, merchant: merchant, source: .card(card),
        amount: money)
    } catch {
      throw CardsFault(message: "\(error)")
    }
  }

  /// Of the caller's names of fields only ours are shown.
  private static func fault(_ error: JSONError) -> CardsFault {
    let names = ["user_id", "amount", "card_number", "card_holder_name", "cvv"]
    guard let field = error.field, names.contains(field) else {
      return CardsFault(message: "the body is no JSON object: see byte \(error.offset)")
    }
    return CardsFault(message: "\(field): \(error.message)")
  }

  private func minorUnits(_ amount: ArraySlice<UInt8>?) throws(CardsFault) -> Int64 {
    guard let amount else { throw CardsFault(message: "amount is missing") }
    // A text of digits is taken as well: then the quotes are around it.
    let text = amount.first == UInt8(ascii: "\"") ? amount.dropFirst().dropLast() : amount
    do throws(ExactAmount.Fault) {
      return try ExactAmount.minorUnits(text, exponent: currency.exponent)
    } catch {
      let words =
        switch error {
        case .notANumber, .notFinite: "expected a number"
        case .notPositive: "expected an amount above zero"
        case .tooManyDecimals: "\(currency) has \(currency.exponent) decimals"
        case .tooLarge: "expected at most \(Money(minorUnits: PaymentRequest.maximumAmount, currency).decimal)"
        }
      throw CardsFault(message: "amount: \(words)")
    }
  }

  private static func card(_ details: CardDetails) throws(CardsFault) -> PaymentCard {
    do throws(CardFault) {
      return try PaymentCard(withoutExpiry: details)
    } catch {
      let name =
        switch error.field {
        case .number: "card_number"
        case .holder: "card_holder_name"
        case .cvv, .expMonth, .expYear: error.field.rawValue
        }
      throw CardsFault(message: error.description(of: name))
    }
  }
}
