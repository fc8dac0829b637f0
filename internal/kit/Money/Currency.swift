/// A currency of ISO 4217 that is in use. Codes of metals, tests and "no currency" (`XAU`, `XTS`, `XXX`) are left out:
/// nobody pays with them.
/// Source: ISO 4217:2015, list one (active codes) of the maintenance agency.
public struct Currency: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// Three upper-case letters, such as `EUR`.
  public let code: String
  /// Number of digits after the decimal point of the major unit: 0, 2, 3 or 4.
  public let exponent: Int

  /// - Returns: nil for a code that is not in the list; lower case is not accepted.
  public init?(_ code: some StringProtocol) {
    let code = String(code)
    guard let exponent = Self.exponents[code] else { return nil }
    self.code = code
    self.exponent = exponent
  }

  /// The code.
  public var description: String { code }

  /// By code.
  public static func < (left: Currency, right: Currency) -> Bool { left.code < right.code }

  public static func == (left: Currency, right: Currency) -> Bool { left.code == right.code }

  public func hash(into hasher: inout Hasher) { hasher.combine(code) }

  private static let exponents: [String: Int] = {
    var exponents: [String: Int] = [:]
    for (exponent, codes) in [0: withoutFraction, 2: withCents, 3: withMills, 4: withFourDigits] {
      for code in codes.split(separator: " ") { exponents[String(code)] = exponent }
    }
    return exponents
  }()

  private static let withoutFraction = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
  private static let withMills = "BHD IQD JOD KWD LYD OMR TND"
  private static let withFourDigits = "CLF UYW"
  private static let withCents = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY \
    COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR \
    IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD \
    NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP \
    SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
    """
}
