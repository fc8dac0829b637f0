public import Cards
internal import Synchronization

/// A card payment whose gateway transaction has committed.
public struct CardPayment: Sendable {
  /// Its source is `card`.
  public let terms: PaymentTerms
  /// The card.
  public let card: PaymentCard
  /// The card's fingerprints, 32 bytes each, by which risk knows it again: that of the signing key first.
  public let fingerprints: [[UInt8]]

  /// A card payment.
  public init(_ terms: PaymentTerms, card: PaymentCard, fingerprints: [[UInt8]]) {
    precondition(terms.source == nil, "only cards travel in memory")
    self.terms = terms
    self.card = card
    self.fingerprints = fingerprints
  }
}

/// A place among the cards that wait in memory, taken before the payment is stored, so that a payment that was answered
/// with 201 always has one. It is given back when the last reference goes.
public final class CardPlace: Sendable {
  private let giveBack: @Sendable () -> Void

  init(giveBack: @escaping @Sendable () -> Void) { self.giveBack = giveBack }

  deinit { giveBack() }
}
