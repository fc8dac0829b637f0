/// One method of a service: its path, its kind and its handler, with the codec folded into the handler.
///
/// Make one with `unary`, `unaryInline`, `serverStreaming`, `clientStreaming` or `bidirectional`. Asynchronous handlers
/// run as tasks that prefer the connection's loop: they must not block it. A handler answers with an error by throwing
/// a `GRPCStatus`; any other error becomes UNKNOWN, and its text only goes to the log.
public struct MethodDefinition: Sendable {
  enum Handler: Sendable {
    case inline(@Sendable ([UInt8], ServerContext) throws -> [UInt8])
    case unary(@Sendable ([UInt8], ServerContext) async throws -> [UInt8])
    case serverStreaming(@Sendable ([UInt8], ServerContext, ServerCall) async throws -> Void)
    case clientStreaming(@Sendable (ServerContext, ServerCall) async throws -> [UInt8])
    case bidirectional(@Sendable (ServerContext, ServerCall) async throws -> Void)
  }

  /// `/package.Service/Method`.
  public let path: String
  let handler: Handler

  var kind: ServerCallState.Kind {
    switch handler {
    case .inline, .unary: .unary
    case .serverStreaming: .serverStreaming
    case .clientStreaming: .clientStreaming
    case .bidirectional: .bidirectional
    }
  }

  /// One request, one response, asynchronously.
  public static func unary<Request, Response>(
    _ path: String, decode: @escaping @Sendable ([UInt8]) throws -> Request,
    encode: @escaping @Sendable (Response) -> [UInt8],
    _ handle: @escaping @Sendable (Request, ServerContext) async throws -> Response
  ) -> MethodDefinition {
    MethodDefinition(
      path: path,
      handler: .unary { bytes, context in encode(try await handle(try parse(bytes, decode), context)) })
  }

  /// One request, one response, at once on the loop: for handlers that neither wait nor compute for long.
  public static func unaryInline<Request, Response>(
    _ path: String, decode: @escaping @Sendable ([UInt8]) throws -> Request,
    encode: @escaping @Sendable (Response) -> [UInt8],
    _ handle: @escaping @Sendable (Request, ServerContext) throws -> Response
  ) -> MethodDefinition {
    MethodDefinition(
      path: path, handler: .inline { bytes, context in encode(try handle(try parse(bytes, decode), context)) })
  }

  /// One request, many responses; the stream ends when the handler returns.
  public static func serverStreaming<Request, Response>(
    _ path: String, decode: @escaping @Sendable ([UInt8]) throws -> Request,
    encode: @escaping @Sendable (Response) -> [UInt8],
    _ handle: @escaping @Sendable (Request, ServerContext, ResponseWriter<Response>) async throws -> Void
  ) -> MethodDefinition {
    MethodDefinition(
      path: path,
      handler: .serverStreaming { bytes, context, call in
        try await handle(try parse(bytes, decode), context, ResponseWriter(call: call, encode: encode))
      })
  }

  /// Many requests, one response.
  public static func clientStreaming<Request, Response>(
    _ path: String, decode: @escaping @Sendable ([UInt8]) throws -> Request,
    encode: @escaping @Sendable (Response) -> [UInt8],
    _ handle: @escaping @Sendable (RequestStream<Request>, ServerContext) async throws -> Response
  ) -> MethodDefinition {
    MethodDefinition(
      path: path,
      handler: .clientStreaming { context, call in
        encode(try await handle(RequestStream(call: call, decode: decode), context))
      })
  }

  /// Many requests, many responses, in any order.
  public static func bidirectional<Request, Response>(
    _ path: String, decode: @escaping @Sendable ([UInt8]) throws -> Request,
    encode: @escaping @Sendable (Response) -> [UInt8],
    _ handle:
      @escaping @Sendable (
        RequestStream<Request>, ServerContext, ResponseWriter<Response>
      ) async throws -> Void
  ) -> MethodDefinition {
    MethodDefinition(
      path: path,
      handler: .bidirectional { context, call in
        try await handle(
          RequestStream(call: call, decode: decode), context, ResponseWriter(call: call, encode: encode))
      })
  }
}

/// A service: its full name and its methods.
public struct ServiceDefinition: Sendable {
  /// `package.Service`.
  public let name: String
  public let methods: [MethodDefinition]

  public init(_ name: String, _ methods: [MethodDefinition]) {
    self.name = name
    self.methods = methods
  }
}

/// Looks at every call before and after its handler, on the connection's loop; both calls must be short.
public protocol ServerInterceptor: Sendable {
  /// Before the handler; throwing refuses the call with that status (authorisation).
  func willHandle(_ context: ServerContext) throws(GRPCStatus)
  /// After the status is decided, whether or not a handler ran.
  func didFinish(_ context: ServerContext, _ status: GRPCStatus, elapsed: Duration)
}

/// A request that cannot be read is INTERNAL, as PROTOCOL-HTTP2.md's implementations have it.
func parse<Request>(_ bytes: [UInt8], _ decode: ([UInt8]) throws -> Request) throws -> Request {
  do { return try decode(bytes) } catch { throw GRPCStatus(.internal, "the request message cannot be parsed") }
}
