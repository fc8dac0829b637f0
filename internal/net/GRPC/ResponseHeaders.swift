internal import HTTP2
internal import Values

/// The header blocks a server sends.
enum ResponseHeaders {
  static let ok = HTTP2FixedHeaders(HTTP2Headers([":status": "200", "content-type": "application/grpc"]))
  static let okGzip = HTTP2FixedHeaders(
    HTTP2Headers([":status": "200", "content-type": "application/grpc", "grpc-encoding": "gzip"]))
  static let okTrailers = HTTP2FixedHeaders(HTTP2Headers(["grpc-status": "0"]))

  /// The trailers of a call that went well and has none of its own.
  static var success: HTTP2HeaderBlock { .fixed(okTrailers) }

  static func initial(_ metadata: Metadata, _ encoding: MessageEncoding = .identity) -> HTTP2HeaderBlock {
    if metadata.isEmpty { return .fixed(encoding == .gzip ? okGzip : ok) }
    var headers = base(200)
    if encoding == .gzip { headers.append("grpc-encoding", "gzip") }
    append(metadata, to: &headers)
    return .list(headers)
  }

  static func trailers(_ status: GRPCStatus, _ metadata: Metadata) -> HTTP2HeaderBlock {
    if status == .ok, metadata.isEmpty { return success }
    var headers = HTTP2Headers()
    append(status, metadata, to: &headers)
    return .list(headers)
  }

  /// Status and headers in one block; `httpStatus` is 200 unless the request was not gRPC.
  static func trailersOnly(
    _ status: GRPCStatus, initial: Metadata = [:], trailers: Metadata = [:], httpStatus: Int = 200
  ) -> HTTP2HeaderBlock {
    var headers = base(httpStatus)
    append(initial, to: &headers)
    append(status, trailers, to: &headers)
    return .list(headers)
  }

  /// An answer for a client that does not speak gRPC.
  static func plain(_ httpStatus: Int) -> HTTP2HeaderBlock {
    .list(HTTP2Headers([":status": "\(httpStatus)", "content-type": "text/plain"]))
  }

  private static func base(_ httpStatus: Int) -> HTTP2Headers {
    HTTP2Headers([":status": "\(httpStatus)", "content-type": "application/grpc"])
  }

  private static func append(_ status: GRPCStatus, _ metadata: Metadata, to headers: inout HTTP2Headers) {
    headers.append("grpc-status", "\(status.code.rawValue)")
    if !status.message.isEmpty {
      headers.append(name: "grpc-message".utf8, value: WireText.percentEncode(status.message))
    }
    if let details = status.details {
      headers.append(name: "grpc-status-details-bin".utf8, value: Base64.encode(details))
    }
    append(status.trailers, to: &headers)
    append(metadata, to: &headers)
  }

  static func append(_ metadata: Metadata, to headers: inout HTTP2Headers) {
    for (name, value) in metadata {
      // The protocol's own names are never taken from an application, except the two that refusals need.
      if name.hasPrefix(":") || (name.hasPrefix("grpc-") && name != "grpc-accept-encoding") { continue }
      headers.append(name: name.utf8, value: name.hasSuffix("-bin") ? Base64.encode(value) : value)
    }
  }
}
