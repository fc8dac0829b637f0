internal import HTTP2
internal import Runtime

/// What the request headers of a call say, read in one pass.
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

  private(set) var path: ArraySlice<UInt8> = []
  /// Nil: endless.
  private(set) var timeout: Duration?
  /// How compressed messages of the request are compressed; nil when the name in `encodingName` is not known.
  private(set) var encoding: MessageEncoding? = .identity
  private(set) var encodingName: ArraySlice<UInt8> = []
  /// Whether the client takes gzip.
  private(set) var acceptsGzip = false
  private(set) var metadata = Metadata()
  private(set) var refusal: Refusal?
  private var contentType = ContentType.missing
  private var isPost = false

  init(_ headers: HTTP2Headers) {
    for index in 0..<headers.count { read(headers, index) }
    decide()
  }

  private mutating func read(_ headers: HTTP2Headers, _ index: Int) {
    // The length tells nearly all names apart without comparing text.
    switch headers.nameLength(index) {
    case 2 where headers.nameEquals(index, "te"): break
    case 5 where headers.nameEquals(index, ":path"): path = headers.value(index)
    case 7 where headers.nameEquals(index, ":method"): isPost = headers.valueEquals(index, "POST")
    case 7 where headers.nameEquals(index, ":scheme"): break
    case 10 where headers.nameEquals(index, ":authority"): break
    case 12 where headers.nameEquals(index, "content-type"):
      contentType = headers.valueEquals(index, "application/grpc") ? .grpc : Self.classify(headers.value(index))
    case 12 where headers.nameEquals(index, "grpc-timeout"): readTimeout(headers.value(index))
    case 13 where headers.nameEquals(index, "grpc-encoding"): readEncoding(headers.value(index))
    case 20 where headers.nameEquals(index, "grpc-accept-encoding"):
      acceptsGzip = Self.listsGzip(headers.value(index))
    default: readMetadata(headers.name(index), headers.value(index))
    }
  }

  private static func classify(_ value: ArraySlice<UInt8>) -> ContentType {
    guard value.starts(with: "application/grpc".utf8) else { return .foreign }
    let rest = value.dropFirst(16)
    if rest.isEmpty || rest.elementsEqual("+proto".utf8) || rest.first == UInt8(ascii: ";")
      || rest.starts(with: "+proto;".utf8)
    {
      return .grpc
    }
    return rest.first == UInt8(ascii: "+") ? .otherCodec : .foreign
  }

  private mutating func readTimeout(_ value: ArraySlice<UInt8>) {
    if let duration = WireText.timeout(value) {
      timeout = duration
    } else {
      refusal = .both(400, GRPCStatus(.internal, "malformed grpc-timeout"))
    }
  }

  private mutating func readEncoding(_ value: ArraySlice<UInt8>) {
    encoding = MessageEncoding(value)
    encodingName = value
  }

  /// Whether a list such as `identity, deflate, gzip` has gzip in it.
  private static func listsGzip(_ value: ArraySlice<UInt8>) -> Bool {
    value.split(separator: UInt8(ascii: ",")).contains { name in
      MessageEncoding(name.drop { $0 == 0x20 }.prefix { $0 != 0x20 }) == .gzip
    }
  }

  private mutating func readMetadata(_ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) {
    // Reserved names are the protocol's, never the application's; `host` gives way to :authority.
    switch name.first {
    case UInt8(ascii: ":"): return
    case UInt8(ascii: "g") where name.starts(with: "grpc-".utf8): return
    case UInt8(ascii: "h") where name.elementsEqual("host".utf8): return
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
      metadata.append(name, bytes)
    }
  }

  private mutating func decide() {
    switch contentType {
    case .missing, .foreign: refusal = .http(415, "expected content-type application/grpc")
    case .otherCodec: refusal = .grpc(GRPCStatus(.unimplemented, "only the proto codec is served"))
    case .grpc: break
    }
    if !isPost { refusal = .both(405, GRPCStatus(.internal, "expected the method POST")) }
  }
}
