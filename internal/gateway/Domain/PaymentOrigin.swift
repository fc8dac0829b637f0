internal import Values

/// The surface of an older system on which a payment was asked for, and what that surface shows of it besides.
public struct PaymentOrigin: Sendable, Hashable {
  /// A surface beside `/v1`.
  public enum Surface: String, Sendable, Hashable, CaseIterable {
    /// The card gateway's.
    case cards
    /// The Kafka pipeline's with paymaster and money storage.
    case transactions
    /// The payment API's with its page.
    case payments
  }

  /// The longest details, in bytes.
  public static let maximumDetails = 8_192

  /// The surface.
  public let surface: Surface
  /// A JSON object of the surface's own; it holds no card number and no CVV.
  public let details: [UInt8]

  /// - Parameter details: a JSON object of at most `maximumDetails` bytes; a longer one is a mistake of the surface,
  ///   which limits its fields.
  public init(_ surface: Surface, details: [UInt8]) {
    precondition(details.count <= Self.maximumDetails, "the details of a surface are small")
    self.surface = surface
    self.details = details
  }
}
