/// Why a card is refused. It names the field and never quotes a value.
public struct CardFault: Error, Sendable, Hashable, CustomStringConvertible {
  /// The fields of a card. The raw values are those of the API.
  public enum Field: String, Sendable, Hashable, CaseIterable {
    case number
    case expMonth = "exp_month"
    case expYear = "exp_year"
    case cvv
    case holder
  }

  /// The kinds of faults. The raw values are those of the API.
  public enum Code: String, Sendable, Hashable, CaseIterable {
    /// The field is not there.
    case missing
    /// Something other than ASCII digits is in it.
    case notDigits = "not_digits"
    /// Cards of this brand have another number of digits.
    case wrongLength = "wrong_length"
    /// The last digit does not fit the others (Luhn): a digit is mistyped.
    case luhn
    /// The month is none, or the year lies too far in the future.
    case outOfRange = "out_of_range"
    /// The card is no longer valid.
    case expired
    /// The text is too long, or holds control characters.
    case malformed
    /// A card number where none belongs.
    case cardNumber = "card_number"
  }

  /// The field.
  public let field: Field
  /// What is wrong with it.
  public let code: Code

  init(_ field: Field, _ code: Code) {
    self.field = field
    self.code = code
  }

  /// For people: the field and what was expected.
  public var description: String { description(of: field.rawValue) }

  /// The same where the field has another name.
  public func description(of name: String) -> String {
    switch code {
    case .missing: "\(name) is missing"
    case .notDigits: "\(name) must consist of the digits 0 to 9"
    case .wrongLength: "\(name) has a wrong number of digits for a card of this brand"
    case .luhn: "\(name) is no card number: its last digit does not fit the others"
    case .outOfRange: "\(name) is out of range"
    case .expired: "the card has expired"
    case .malformed: "\(name) is too long or holds control characters"
    case .cardNumber: "\(name) must not hold a card number"
    }
  }
}
