internal import DirectDomain
package import GatewayDomain
package import GatewayStore
package import Processor
package import Values

/// Payments as the gateway keeps them. Callable on any thread.
package protocol PaymentKeeping: Sendable {
  /// What an earlier call with the key was answered; nil when there was none.
  func replay(
    _ request: PaymentRequest, key: RequestKey, deadline: Instant
  ) async throws(GatewayStoreError) -> CreatedPayment?
  /// Takes a payment in.
  func create(
    _ request: PaymentRequest, key: RequestKey, apiKeyID: UniqueID?, traceparent: String?, deadline: Instant
  ) async throws(GatewayStoreError) -> CreatedPayment
  /// A payment; nil where there is none.
  func payment(_ id: UniqueID, deadline: Instant) async throws(GatewayStoreError) -> GatewayPayment?
  /// Every state that a payment has had, the first one first; empty where there is none.
  func history(_ id: UniqueID, deadline: Instant) async throws(GatewayStoreError) -> [PaymentStanding]
  /// A page of payments, newest first.
  func list(_ filter: PaymentFilter, deadline: Instant) async throws(GatewayStoreError) -> PaymentPage
}

/// What executes payments of this process, and what people may do about any payment. Callable on any thread.
package protocol PaymentExecuting: Sendable {
  /// Takes a place among the cards in memory; nil when there is none.
  func reserveCard() -> CardPlace?
  /// Executes a card payment that is stored. Must not block.
  func submit(_ payment: CardPayment, at place: CardPlace)
  /// Cancels a payment unless the bank has been asked.
  func cancel(_ terms: PaymentTerms, by requester: String?, deadline: Instant) async -> PaymentAnswer
  /// Ends a payment's review.
  func review(_ id: UniqueID, approves: Bool, by person: String, deadline: Instant) async -> PaymentAnswer
}

extension PaymentProcessor: PaymentExecuting {}

extension PaymentTerms {
  /// The terms of a card payment, as it was asked for.
  init(_ id: UniqueID, _ request: PaymentRequest) {
    self.init(
      paymentID: id, userID: request.userID, payeeID: request.payeeID, source: nil, amount: request.amount,
      orderID: request.orderID)
  }

  /// The terms of a payment as the gateway knows them; of an account number or token it has the end only, which is
  /// enough for a payment that is not executed.
  package init(_ payment: GatewayPayment) {
    let source: PaymentInstruction.Source? =
      switch payment.source {
      case .card: nil
      case .account(let masked): .account(number: masked)
      case .token(let masked): .token(masked)
      case .balance(let accountID): .balance(accountID: accountID)
      }
    self.init(
      paymentID: payment.id, userID: payment.userID, payeeID: payment.payeeID, source: source,
      amount: payment.amount, orderID: payment.orderID)
  }
}
