internal import DirectDomain
internal import GatewayDomain
internal import GatewayStore
internal import HTTPClient
internal import Values

/// What is sent of a delivery (Standard Webhooks 1.0.0). The body is the same in each attempt, byte for byte: it shows
/// the payment as it was when the event was written.
struct WebhookMessage: Sendable {
  let delivery: DueDelivery
  let body: [UInt8]

  /// - Parameter data: the JSON of the payment or refund.
  init(_ delivery: DueDelivery, data: [UInt8]) {
    self.delivery = delivery
    body = Self.body(delivery.event, data)
  }

  private static func body(_ event: WebhookEvent, _ data: [UInt8]) -> [UInt8] {
    var body: [UInt8] = []
    body.reserveCapacity(data.count + 128)
    body += "{\"type\":\"\(event.type)\",\"timestamp\":\"\(event.standing.since)\",\"data\":".utf8
    body += data
    body.append(UInt8(ascii: "}"))
    return body
  }

  /// The payment that a delivery tells of, in the state of its event. Without its token: that is as good as the card.
  static func payment(of due: DueDelivery) -> WebhookData {
    switch due.payment {
    case .success(var payment):
      payment.standing = due.event.standing
      return .json(payment.json(showsToken: false))
    case .failure(let error): return .unreadable(reason: "\(error)")
    case nil: return .missing
    }
  }

  /// The request of an attempt.
  /// - Parameters:
  ///   - secrets: each signs.
  ///   - now: the attempt's time.
  func request(to url: String, _ secrets: [WebhookSecret], now: Timestamp, timeout: Duration) -> HTTPClientRequest {
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
