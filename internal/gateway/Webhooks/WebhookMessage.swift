internal import DirectDomain
internal import GatewayDomain
internal import GatewayStore
internal import HTTPClient
internal import Values

/// What is sent of a delivery (Standard Webhooks 1.0.0). The body is the same in each attempt, byte for byte: it shows
/// the payment as it was when the event was written.
struct WebhookMessage: Sendable {
  /// Why there is no body.
  enum Fault: Error, Sendable { case unreadable }

  let delivery: DueDelivery
  /// Nil when what the event is about cannot be read.
  let body: [UInt8]?

  /// - Parameter data: the JSON of the payment or refund.
  init(_ delivery: DueDelivery, data: Result<[UInt8], Fault>) {
    self.delivery = delivery
    body = (try? data.get()).map { Self.body(delivery.event, $0) }
  }

  private static func body(_ event: WebhookEvent, _ data: [UInt8]) -> [UInt8] {
    var body: [UInt8] = []
    body.reserveCapacity(data.count + 128)
    body += "{\"type\":\"\(event.type)\",\"timestamp\":\"\(event.standing.since)\",\"data\":".utf8
    body += data
    body.append(UInt8(ascii: "}"))
    return body
  }

  /// A payment in the state of an event. Without its token: that is as good as the card.
  static func payment(_ payment: GatewayPayment, at event: WebhookEvent) -> [UInt8] {
    var payment = payment
    payment.standing = event.standing
    return payment.json(showsToken: false)
  }

  /// The request of an attempt; nil without a body.
  /// - Parameters:
  ///   - secrets: each signs.
  ///   - now: the attempt's time.
  func request(to url: String, _ secrets: [WebhookSecret], now: Timestamp, timeout: Duration) -> HTTPClientRequest? {
    guard let body else { return nil }
    let seconds = now.microseconds / 1_000_000
    let signatures = secrets.map { $0.signature(id: delivery.id, timestamp: seconds, body: body) }
    var request = HTTPClientRequest(
      "POST", url,
      headers: [
        ("Content-Type", "application/json"), ("webhook-id", delivery.id.description),
        ("webhook-timestamp", "\(seconds)"), ("webhook-signature", signatures.joined(separator: " ")),
      ], body: body, timeout: timeout)
    request.cutsResponse = true
    return request
  }
}
