internal import Cards
package import Money
package import ProcessingDomain
package import Values

/// Decides what an answer of the bank says. Pure.
///
/// An answer counts only when everything in it fits: status 200, JSON by its media type, our operation, user, amount
/// and currency, and a status word that is known. Everything else is `unclear`, and is never guessed at.
package struct BankAnswerReader {
  /// The longest answer that is read, in bytes.
  package static let maximumBytes = 16_384
  /// The longest detail, in bytes.
  package static let maximumDetail = 255

  private let call: BankCall
  private let operationID: UniqueID
  private let userID: UniqueID
  private let amount: Money

  /// A reader of answers to one call.
  package init(_ call: BankCall, operationID: UniqueID, userID: UniqueID, amount: Money) {
    self.call = call
    self.operationID = operationID
    self.userID = userID
    self.amount = amount
  }

  /// What an answer says.
  package struct Reading: Sendable {
    /// For the payment.
    package let reply: BankReply
    /// Whether it is the answer of a bank in working order, which may still not say what became of the payment.
    package let isFromBank: Bool
  }

  /// Reads an answer.
  /// - Parameter mediaType: the value of `Content-Type`, if there is one.
  package func read(status: Int, mediaType: String?, body: [UInt8]) -> Reading {
    switch status {
    case 200, 404: break
    case 401, 403, 408, 429, 500...: return unclear("the bank answers with status \(status)", isFromBank: false)
    default: return unclear("the bank answers with status \(status)", isFromBank: true)
    }
    guard Self.isJSON(mediaType) else {
      return unclear("status \(status), but the answer is no JSON by its media type", isFromBank: status == 404)
    }
    let fields: Fields
    do throws(JSONError) {
      fields = try Fields(body, exponent: amount.currency.exponent)
    } catch {
      return unclear("status \(status), and JSON that is no answer: \(error)", isFromBank: status == 404)
    }
    return status == 200 ? outcome(fields) : unknown(fields)
  }

  private func unclear(_ detail: String, isFromBank: Bool) -> Reading {
    Reading(reply: BankReply(.unclear, Self.cleaned(detail)), isFromBank: isFromBank)
  }

  /// `application/json`, whatever parameters follow.
  private static func isJSON(_ mediaType: String?) -> Bool {
    guard let type = mediaType?.utf8.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false).first else {
      return false
    }
    let blanks: [UInt8] = [0x20, 0x09]
    let trimmed = type.drop { blanks.contains($0) }.reversed().drop { blanks.contains($0) }.reversed()
    return String(decoding: trimmed, as: UTF8.self).lowercased() == "application/json"
  }

  // MARK: - 200

  private func outcome(_ fields: Fields) -> Reading {
    if let doubt = doubt(about: fields) { return unclear(doubt, isFromBank: false) }
    let words = fields.error ?? ""
    switch fields.status {
    case "succeed": return reading(.approved, words, token: token(fields))
    case "error": return reading(.declined, words)
    case "reversed": return reading(.reversed, words)
    case "processing": return unclear("the bank is still processing the payment", isFromBank: true)
    case let status?: return unclear("the bank's status is none that is known: \(status)", isFromBank: true)
    case nil: return unclear("the answer has no status", isFromBank: false)
    }
  }

  private func reading(_ answer: BankAnswer, _ words: String, token: String? = nil) -> Reading {
    Reading(reply: BankReply(answer, Self.cleaned(words), token: token), isFromBank: true)
  }

  /// Why the answer may be about something else; nil when it is about this payment.
  private func doubt(about fields: Fields) -> String? {
    guard let id = fields.operationID else { return "the answer has no operation_id" }
    guard id == operationID else { return "the answer is about another operation" }
    if let user = fields.userID, user != userID { return "the answer is about another user" }
    // What was reversed before it was ever charged has no amount.
    let needsAmount = fields.status != "reversed"
    if let currency = fields.currency {
      guard currency == amount.currency.code else { return "the answer has another currency" }
    } else if needsAmount || fields.amount != nil {
      return "the answer has no currency"
    }
    if let minorUnits = fields.amount {
      guard minorUnits == amount.minorUnits else { return "the answer has another amount" }
    } else if needsAmount {
      return "the answer has no amount"
    }
    return nil
  }

  private func token(_ fields: Fields) -> String? {
    guard let token = fields.token, (1...255).contains(token.utf8.count), !token.utf8.contains(0),
      !containsCardNumber(token.utf8)
    else { return nil }
    return token
  }

  // MARK: - 404

  /// Only the bank's own words count: any server has a 404 for paths that it does not know.
  private func unknown(_ fields: Fields) -> Reading {
    guard !call.movesMoney else { return unclear("the bank answers with status 404", isFromBank: true) }
    guard fields.operationID == operationID, fields.error == "no such payment" else {
      return unclear("status 404, but not the bank's \"no such payment\"", isFromBank: true)
    }
    return reading(.noSuchPayment, "no such payment")
  }

  /// Text of the bank, as it may be kept and shown: not too long, without control characters, and without anything that
  /// looks like a card number.
  static func cleaned(_ text: String) -> String {
    var clean = ""
    var length = 0
    for scalar in text.unicodeScalars {
      length += UTF8.width(scalar)
      guard length <= maximumDetail else { break }
      let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
      clean.unicodeScalars.append(isControl ? " " : scalar)
    }
    // Of a number that was cut off the beginning is enough.
    return containsCardNumber(text.utf8) ? "the bank's words hold card data and are left out" : clean
  }
}

/// The fields of an answer, as they were found. Unknown ones are passed over, and null counts as absent.
private struct Fields {
  private(set) var operationID: UniqueID?
  private(set) var userID: UniqueID?
  private(set) var status: String?
  private(set) var error: String?
  private(set) var amount: Int64?
  private(set) var currency: String?
  private(set) var token: String?

  /// - Parameter exponent: of the currency that the amount must have.
  init(_ body: [UInt8], exponent: Int) throws(JSONError) {
    var scanner = try JSONScanner(body, maximumBytes: BankAnswerReader.maximumBytes)
    try scanner.beginObject()
    while let field = try scanner.nextKey() {
      switch field {
      case "operation_id": operationID = try scanner.null() ? nil : try scanner.uniqueID()
      case "user_id": userID = try scanner.null() ? nil : try scanner.uniqueID()
      case "status": status = try scanner.null() ? nil : try scanner.string()
      case "error": error = try scanner.null() ? nil : try scanner.string()
      case "amount": amount = try scanner.null() ? nil : try scanner.minorUnits(exponent: exponent)
      case "currency": currency = try scanner.null() ? nil : try scanner.string()
      case "card_token": token = try scanner.null() ? nil : try scanner.string()
      default: try scanner.skipValue()
      }
    }
    try scanner.end()
  }
}
