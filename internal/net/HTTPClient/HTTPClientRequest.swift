public import Values

/// The body of a request: an array of bytes, or what keeps its bytes elsewhere. Used on the client's thread.
public protocol HTTPClientBody: Sendable {
  /// How many bytes there are; always the same.
  var count: Int { get }
  /// Calls the closure with all bytes. Must not block.
  func withBytes(_ body: (RawSpan) -> Void)
}

extension [UInt8]: HTTPClientBody {
  /// Calls the closure with the array's bytes.
  public func withBytes(_ body: (RawSpan) -> Void) { body(span.bytes) }
}

/// A request of HTTP/1.1.
public struct HTTPClientRequest: Sendable {
  /// The method, such as `POST`.
  public var method: String
  /// An absolute URL with the scheme http or https. User and password in it are refused.
  public var url: String
  /// Further headers; `Host`, `Content-Length`, `Connection` and `Expect` are the client's.
  public var headers: [(name: String, value: String)]
  /// The body; nil for none.
  public var body: (any HTTPClientBody)?
  /// How long the whole may take, from the call on.
  public var timeout: Duration
  /// When it is too late to begin: no byte is sent after it. Connecting is part of the time until then.
  public var sendBy = Instant.distantFuture
  /// The longest body of a response, in bytes.
  public var maximumResponse: Int
  /// Whether of a longer body the beginning is enough: the response has `maximumResponse` bytes of it then, and its
  /// connection ends.
  public var cutsResponse = false

  /// A request.
  public init(
    _ method: String, _ url: String, headers: [(name: String, value: String)] = [], body: (any HTTPClientBody)? = nil,
    timeout: Duration, maximumResponse: Int = 65_536
  ) {
    self.method = method
    self.url = url
    self.headers = headers
    self.body = body
    self.timeout = timeout
    self.maximumResponse = maximumResponse
  }

  private static let longestURL = 8_192

  /// Fault of the request; nil when it can be sent.
  var fault: String? {
    let isToken = !method.isEmpty && method.utf8.allSatisfy { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
    if !isToken { return "the method is upper-case letters" }
    if !url.hasPrefix("http://"), !url.hasPrefix("https://") { return "the URL begins with http:// or https://" }
    if url.utf8.count > Self.longestURL { return "the URL has at most \(Self.longestURL) bytes" }
    if url.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }) { return "the URL holds a blank or control character" }
    if authority.utf8.contains(UInt8(ascii: "@")) { return "the URL has no user or password" }
    for (name, value) in headers {
      if name.isEmpty || !name.utf8.allSatisfy(Self.isTokenByte) {
        return "a header's name is letters, digits and hyphens"
      }
      if Self.own.contains(name.lowercased()) { return "the header \(name) is the client's own" }
      if value.utf8.contains(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7F }) {
        return "the header \(name) holds a control character"
      }
    }
    return nil
  }

  /// Scheme, host and port as the URL has them. By bytes, as libcurl reads it: an `@` and an accent after it are one
  /// Character.
  var authority: String {
    let bytes = Array(url.utf8)
    let start = (bytes.firstIndex(of: UInt8(ascii: ":")) ?? 0) + 3
    let end = bytes.dropFirst(start).firstIndex {
      [UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#")].contains($0)
    }
    return String(decoding: bytes[..<(end ?? bytes.count)], as: UTF8.self)
  }

  private static let own: Set = [
    "host", "content-length", "connection", "expect", "transfer-encoding", "upgrade", "te",
  ]

  private static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
      true
    default: false
    }
  }
}

/// A response, whole.
public struct HTTPClientResponse: Sendable {
  /// The status, from 200 to 599 (and 1xx that no request asked for are passed over).
  public let status: Int
  /// The headers in order, as they came.
  public let headers: [(name: String, value: String)]
  /// The body.
  public let body: [UInt8]

  /// The first value of a header, whose name is compared without case.
  public func header(_ name: String) -> String? {
    headers.first { $0.name.lowercased() == name.lowercased() }?.value
  }
}
