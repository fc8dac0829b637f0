package import GatewayDomain
package import Values

/// How webhooks are sent.
package struct WebhookOptions: Sendable {
  /// How long a receiver may take to answer.
  package var timeout = Duration.seconds(15)
  /// The most calls under way.
  package var calls = 512
  /// The most calls under way to one endpoint.
  package var endpointCalls = 64
  /// How long an endpoint may take nothing until it is disabled.
  package var patience = Duration.seconds(5 * 86_400)
  /// Whether addresses are called that are not of the public internet.
  package var allowsPrivate = false

  /// The defaults.
  package init() {}
}

/// Shows refunds in states that they have had, as the answers of `/v1` do. Returns at once.
/// - Parameter done: called once, on any thread: one for each; nil when they cannot be read just now.
package typealias RefundShowing =
  @Sendable (
    _ wanted: [(id: UniqueID, standing: PaymentStanding)], _ done: @escaping @Sendable ([WebhookData]?) -> Void
  ) -> Void
