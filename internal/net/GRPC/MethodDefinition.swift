/// One method of a service: its path, its kind and its handler, with the codec folded into the handler.
///
/// Make one with `unary`, `unaryInline`, `serverStreaming`, `clientStreaming` or `bidirectional`. Asynchronous handlers
/// run as tasks that prefer the connection's loop: they must not block it. A handler answers with an error by throwing
/// a `GRPCStatus`; any other error becomes UNKNOWN, and its text only goes to the log.
public struct MethodDefinition: Sendable {
  /// Starts the task of a call, which tells the `ServerCall` how it returned.
  @usableFromInline typealias Start = @Sendable ([UInt8], ServerContext, ServerCall) -> Task<Void, Never>

  @usableFromInline
  enum Handler: Sendable {
    /// Appends its response to the last parameter.
    case inline(@Sendable ([UInt8], ServerContext, inout [UInt8]) throws -> Void)
    case task(Start)
  }

  /// `/package.Service/Method`.
  public let path: String
  let kind: ServerCallState.Kind
  let handler: Handler
  private(set) var maxRequestSize = Int.max

  @usableFromInline
  init(path: String, kind: ServerCallState.Kind, handler: Handler) {
    self.path = path
    self.kind = kind
    self.handler = handler
  }

  /// The same method with a limit on its request messages, bytes, where the server's own is higher.
  public func limited(to bytes: Int) -> MethodDefinition {
    var limited = self
    limited.maxRequestSize = bytes
    return limited
  }

  /// One request, one response, asynchronously.
  public static func unary<Request, Response>(
    _ path: String, decode: @escaping @Sendable ([UInt8]) throws -> Request,
    encode: @escaping @Sendable (Response) -> [UInt8],
    _ handle: @escaping @Sendable (Request, ServerContext) async throws -> Response
  ) -> MethodDefinition {
    task(path, .unary) { bytes, context, _ in encode(try await handle(try parse(bytes, decode), context)) }
  }

  /// One request, one response, at once on the loop: for handlers that neither wait nor compute for long.
  public static func unaryInline<Request, Response>(
    _ path: String, decode: @escaping @Sendable ([UInt8]) throws -> Request,
    encode: @escaping @Sendable (Response) -> [UInt8],
    _ handle: @escaping @Sendable (Request, ServerContext) throws -> Response
  ) -> MethodDefinition {
    MethodDefinition(
      path: path, kind: .unary,
      handler: .inline { bytes, context, answer in answer = encode(try handle(try parse(bytes, decode), context)) })
  }

  /// One request, many responses; the stream ends when the handler returns.
  public static func serverStreaming<Request, Response>(
    _ path: String, decode: @escaping @Sendable ([UInt8]) throws -> Request,
    encode: @escaping @Sendable (Response) -> [UInt8],
    _ handle: @escaping @Sendable (Request, ServerContext, ResponseWriter<Response>) async throws -> Void
  ) -> MethodDefinition {
    task(path, .serverStreaming) { bytes, context, call in
      try await handle(try parse(bytes, decode), context, ResponseWriter(call: call, encode: encode))
      return nil
    }
  }

  /// Many requests, one response.
  public static func clientStreaming<Request, Response>(
    _ path: String, decode: @escaping @Sendable ([UInt8]) throws -> Request,
    encode: @escaping @Sendable (Response) -> [UInt8],
    _ handle: @escaping @Sendable (RequestStream<Request>, ServerContext) async throws -> Response
  ) -> MethodDefinition {
    task(path, .clientStreaming) { _, context, call in
      encode(try await handle(RequestStream(call: call, decode: decode), context))
    }
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
    task(path, .bidirectional) { _, context, call in
      try await handle(RequestStream(call: call, decode: decode), context, ResponseWriter(call: call, encode: encode))
      return nil
    }
  }

  /// A method whose handler runs as a task.
  /// - Parameter run: gives the response of a method that has exactly one, nil when its responses are written already.
  private static func task(
    _ path: String, _ kind: ServerCallState.Kind,
    _ run: @escaping @Sendable ([UInt8], ServerContext, ServerCall) async throws -> [UInt8]?
  ) -> MethodDefinition {
    MethodDefinition(
      path: path, kind: kind,
      handler: .task { bytes, context, call in
        Task.immediate(executorPreference: call.executor) {
          do {
            if let response = try await run(bytes, context, call) {
              call.handlerReturned { $0 = response }
            } else {
              call.handlerReturned()
            }
          } catch {
            call.handlerThrew(error)
          }
        }
      })
  }
}

/// A service: its full name and its methods.
public struct ServiceDefinition: Sendable {
  /// `package.Service`.
  public let name: String
  /// The methods, each under a name of its own.
  public let methods: [MethodDefinition]

  /// - Parameter name: `package.Service`.
  public init(_ name: String, _ methods: [MethodDefinition]) {
    self.name = name
    self.methods = methods
  }

  /// The same service with a limit on the request messages of each of its methods, bytes.
  public func limited(to bytes: Int) -> ServiceDefinition {
    ServiceDefinition(name, methods.map { $0.limited(to: bytes) })
  }
}

/// Looks at every call before and after its handler, on the connection's loop; both calls must be short.
public protocol ServerInterceptor: Sendable {
  /// Before the handler; throwing refuses the call with that status (authorisation).
  func willHandle(_ context: ServerContext) throws(GRPCStatus)
  /// After the status is decided, whether or not a handler ran.
  func didFinish(_ context: ServerContext, _ status: GRPCStatus, elapsed: Duration)
}

/// An interceptor says only what it cares for.
extension ServerInterceptor {
  /// Lets every call pass.
  public func willHandle(_ context: ServerContext) throws(GRPCStatus) {}
  /// Takes no notice.
  public func didFinish(_ context: ServerContext, _ status: GRPCStatus, elapsed: Duration) {}
}

extension GRPCStatus {
  /// A request that cannot be read is INTERNAL, as PROTOCOL-HTTP2.md's implementations have it.
  @usableFromInline static let unreadableRequest = GRPCStatus(.internal, "the request message cannot be parsed")
}

/// Decodes, with the status of a request that cannot be read.
func parse<Request>(_ bytes: [UInt8], _ decode: ([UInt8]) throws -> Request) throws -> Request {
  do { return try decode(bytes) } catch { throw GRPCStatus.unreadableRequest }
}
