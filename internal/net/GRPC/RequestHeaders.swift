internal import Glibc
internal import HTTP2
internal import Values

/// The request headers of a call, read in one pass.
struct RequestHeaders {
  /// Why a request is refused before a handler is looked for.
  enum Refusal: Equatable {
    /// An HTTP status with a short text: the client does not speak gRPC.
    case http(Int, String)
    /// An HTTP status that also carries a gRPC status.
    case both(Int, GRPCStatus)
    case grpc(GRPCStatus)
  }
  private enum ContentType {
    case missing
    case grpc
    case otherCodec
    case foreign
  }

  /// Nil when the path is not served; `path` then holds it.
  private(set) var method: RegisteredMethod?
  private(set) var path = ""
  /// Nil: endless.
  private(set) var timeout: Duration?
  /// How compressed messages of the request are compressed; nil when the name in `encodingName` is not known.
  private(set) var encoding: MessageEncoding? = .identity
  private(set) var encodingName = ""
  /// Whether the client accepts gzip.
  private(set) var acceptsGzip = false
  private(set) var refusal: Refusal?
  private var contentType = ContentType.missing
  private var isPost = false
  /// Whether fields have been read since `reset`.
  private(set) var isBegun = false

  /// Reads the next field; the application's go to `metadata`.
  /// - Returns: whether it is the path; pass it to `setMethod` then.
  mutating func read(
    _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ metadata: inout MetadataBuffer
  ) -> Bool {
    isBegun = true
    // The length tells nearly all names apart without comparing text.
    switch name.count {
    case 2 where name.equals("te"): break
    case 5 where name.equals(":path"): return true
    case 7 where name.equals(":method"): isPost = value.equals("POST")
    case 7 where name.equals(":scheme"): break
    case 10 where name.equals(":authority"): break
    case 12 where name.equals("content-type"):
      contentType = value.equals("application/grpc") ? .grpc : Self.classify(value)
    case 12 where name.equals("grpc-timeout"): readTimeout(value)
    case 13 where name.equals("grpc-encoding"):
      encoding = MessageEncoding(value)
      if encoding == nil { encodingName = Self.text(value, limit: 40) }
    case 20 where name.equals("grpc-accept-encoding"): acceptsGzip = Self.listsGzip(value)
    default: readMetadata(name, value, &metadata)
    }
    return false
  }

  /// - Parameter method: what is served under `path`; nil for nothing.
  mutating func setMethod(_ method: RegisteredMethod?, _ path: UnsafeRawBufferPointer) {
    self.method = method
    if method == nil { self.path = Self.text(path, limit: 200) }
  }

  private static func text(_ value: UnsafeRawBufferPointer, limit: Int) -> String {
    String(decoding: value.prefix(limit), as: UTF8.self)
  }

  private static func classify(_ value: UnsafeRawBufferPointer) -> ContentType {
    guard value.starts(with: "application/grpc".utf8) else { return .foreign }
    let rest = value.dropFirst(16)
    if rest.isEmpty || rest.elementsEqual("+proto".utf8) || rest.first == UInt8(ascii: ";")
      || rest.starts(with: "+proto;".utf8)
    {
      return .grpc
    }
    return rest.first == UInt8(ascii: "+") ? .otherCodec : .foreign
  }

  private mutating func readTimeout(_ value: UnsafeRawBufferPointer) {
    if let duration = WireText.timeout(value) {
      timeout = duration
    } else {
      refusal = .both(400, GRPCStatus(.internal, "malformed grpc-timeout"))
    }
  }

  /// Whether a list such as `identity, deflate, gzip` has gzip in it.
  private static func listsGzip(_ value: UnsafeRawBufferPointer) -> Bool {
    value.split(separator: UInt8(ascii: ",")).contains { name in
      MessageEncoding(name.drop { $0 == 0x20 }.prefix { $0 != 0x20 }) == .gzip
    }
  }

  private mutating func readMetadata(
    _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ metadata: inout MetadataBuffer
  ) {
    // Reserved names are the protocol's, never the application's; `host` gives way to :authority.
    switch name.first {
    case UInt8(ascii: ":"): return
    case UInt8(ascii: "g") where name.starts(with: "grpc-".utf8): return
    case UInt8(ascii: "h") where name.equals("host"): return
    default: break
    }
    guard name.last == UInt8(ascii: "n"), name.count > 4, name.suffix(4).elementsEqual("-bin".utf8) else {
      return metadata.append(name, value)
    }
    for part in value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
      let trimmed = part.drop { $0 == 0x20 }.reversed().drop { $0 == 0x20 }.reversed()
      guard let bytes = Base64.decode(trimmed) else {
        refusal = .both(400, GRPCStatus(.internal, "metadata ending in -bin is not Base64"))
        return
      }
      bytes.withUnsafeBytes { metadata.append(name, $0) }
    }
  }

  /// All fields have been read.
  mutating func end() {
    switch contentType {
    case .missing, .foreign: refusal = .http(415, "expected content-type application/grpc")
    case .otherCodec: refusal = .grpc(GRPCStatus(.unimplemented, "only the proto codec is served"))
    case .grpc: break
    }
    if !isPost { refusal = .both(405, GRPCStatus(.internal, "expected the method POST")) }
  }

  /// Prepares for the next block; writes only what differs.
  mutating func reset() {
    if refusal != nil || method == nil || encoding == nil { self = RequestHeaders() }
    method = nil
    timeout = nil
    encoding = .identity
    acceptsGzip = false
    contentType = .missing
    isPost = false
    isBegun = false
  }
}

extension UnsafeRawBufferPointer {
  /// Inlined, so that the compiler turns the comparison with a short constant into one or two of words.
  @inline(__always)
  fileprivate func equals(_ text: StaticString) -> Bool {
    // Same length, and `text` is not empty: there is an address.
    count == text.utf8CodeUnitCount && memcmp(baseAddress!, text.utf8Start, text.utf8CodeUnitCount) == 0
  }
}
