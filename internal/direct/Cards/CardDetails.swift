public import Values

/// A card as a request has it, read and not yet checked. Number and CVV go from the request's bytes into locked memory
/// without a copy elsewhere.
public final class CardDetails: Sendable {
  /// The longest name of a holder, in bytes.
  public static let maximumHolder = 255
  /// What is kept of a number or CVV at most: longer ones are wrong by their length, cut or not.
  private static let maximumSecret = 64

  let number: SecretBytes?
  let cvv: SecretBytes?
  let expMonth: Int?
  let expYear: Int?
  let holder: String?
  /// The first field that no card has; its value was passed over. The name is the caller's text.
  package let unknownField: String?

  /// Reads an object with `number` and `cvv` (strings), `exp_month`, `exp_year` (integers) and `holder`; null counts as
  /// absent, and other fields are passed over.
  /// - Throws: what is no such object. The error holds no value.
  public init(reading scanner: inout JSONScanner) throws(JSONError) {
    var number: SecretBytes?
    var cvv: SecretBytes?
    var expMonth: Int?
    var expYear: Int?
    var holder: String?
    var unknownField: String?
    try scanner.beginObject()
    while let field = try scanner.nextKey() {
      switch CardFault.Field(rawValue: field) {
      case .number: number = try scanner.null() ? nil : try Self.secret(&scanner)
      case .cvv: cvv = try scanner.null() ? nil : try Self.secret(&scanner)
      case .expMonth: expMonth = try scanner.null() ? nil : Int(clamping: try scanner.integer())
      case .expYear: expYear = try scanner.null() ? nil : Int(clamping: try scanner.integer())
      case .holder: holder = try scanner.null() ? nil : try scanner.string()
      case nil:
        unknownField = unknownField ?? field
        try scanner.skipValue()
      }
    }
    self.number = number
    self.cvv = cvv
    self.expMonth = expMonth
    self.expYear = expYear
    self.holder = holder
    self.unknownField = unknownField
  }

  /// A card of a request in another form.
  /// - Parameters:
  ///   - number: the digits, as `digits` reads them.
  ///   - cvv: likewise.
  public init(number: consuming SecretBytes?, cvv: consuming SecretBytes?, holder: String?) {
    self.number = number
    self.cvv = cvv
    expMonth = nil
    expYear = nil
    self.holder = holder
    unknownField = nil
  }

  /// Reads digits that are a string or a number into locked memory.
  /// - Parameter minimum: digits of a number at least: leading zeros are added, which numbers do not have.
  public static func digits(_ scanner: inout JSONScanner, minimum: Int = 0) throws(JSONError) -> SecretBytes {
    let isNumber = try scanner.peek() == .number
    return try scanner.withStringOrNumberBytes { bytes in
      let digits = bytes.extracting(first: maximumSecret)
      let zeros = isNumber ? max(0, minimum - digits.byteCount) : 0
      return SecretBytes(count: zeros + digits.byteCount) { copy in
        for index in 0..<copy.byteCount {
          let digit =
            index < zeros ? UInt8(ascii: "0") : digits.unsafeLoad(fromByteOffset: index - zeros, as: UInt8.self)
          copy.storeBytes(of: digit, toByteOffset: index, as: UInt8.self)
        }
      }
    }
  }

  private static func secret(_ scanner: inout JSONScanner) throws(JSONError) -> SecretBytes {
    try scanner.withStringBytes { bytes in SecretBytes(copying: bytes.extracting(first: maximumSecret)) }
  }
}
