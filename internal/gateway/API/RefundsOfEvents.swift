package import GatewayDomain
package import Values

/// Refunds in states that they have had, as the answers of `/v1` show them: for webhooks.
package enum RefundsOfEvents {
  /// - Parameters:
  ///   - wanted: refunds, each with a state.
  ///   - load: reads refunds.
  /// - Returns: one for each; nil when they cannot be read just now.
  package static func show(
    _ wanted: [(id: UniqueID, standing: PaymentStanding)],
    load: ([UniqueID]) async -> Result<RefundWaiters.Found, StoreTrouble>
  ) async -> [WebhookData]? {
    guard case .success(let found) = await load(Array(Set(wanted.map(\.id)))) else { return nil }
    return wanted.map { refund in
      switch found[refund.id] {
      case .success(let row): .json(RefundAnswers.bytes(row, refund.standing))
      case .failure(let trouble): .unreadable(reason: "\(trouble)")
      case nil: .missing
      }
    }
  }
}
