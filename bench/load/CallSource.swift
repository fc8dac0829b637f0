import HTTP2
import Values

/// Hands requests to a `CallConnection` and hears how its calls ended; on the loop's thread.
protocol CallSource: AnyObject {
  /// The next request; nil when there is none now.
  func nextRequest() -> (headers: HTTP2HeaderBlock, message: [UInt8])?

  /// A call that began at `start` has ended.
  func ended(since start: Instant, isOK: Bool)
}

extension HTTP2HeaderBlock {
  /// Of a call of the payment service.
  static func call(_ method: String) -> HTTP2HeaderBlock {
    .fixed(
      HTTP2FixedHeaders(
        HTTP2Headers([
          ":method": "POST", ":scheme": "http", ":path": "/payments.v1.PaymentService/\(method)",
          ":authority": "load", "content-type": "application/grpc", "te": "trailers",
        ])))
  }
}
