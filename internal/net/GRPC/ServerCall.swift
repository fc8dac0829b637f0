internal import HTTP2
internal import Runtime
internal import Values

/// A handler's end of a call. Usable on any thread; on the connection's loop without a crossing.
@usableFromInline
struct ServerCall: Sendable {
  enum WriteOutcome {
    case written
    case mustWait
    /// The call has finished.
    case finished
  }
  enum ReadOutcome {
    case message([UInt8])
    /// There is no further message.
    case requestEnded
    case mustWait
    /// The call has finished.
    case finished
  }
  typealias WriteWaiter = UnsafeContinuation<Void, any Error>
  typealias ReadWaiter = UnsafeContinuation<[UInt8]?, any Error>

  let connection: ServerConnection
  let stream: HTTP2Stream

  /// Where the handler's task runs.
  @usableFromInline var executor: any TaskExecutor { connection.loop }

  /// The handler has returned with the only response, which `append` adds to what it is given.
  @usableFromInline
  func handlerReturned(_ append: (inout [UInt8]) -> Void) {
    if connection.loop.isCurrent { return connection.handlerReturned(stream, append) }
    var response: [UInt8] = []
    append(&response)
    onLoop { [response] in $0.handlerReturned($1) { $0 = response } }
  }

  /// The handler has returned after all its responses.
  func handlerReturned() { onLoop { $0.handlerReturned($1) } }

  /// The handler has thrown.
  @usableFromInline
  func handlerThrew(_ error: any Error) { onLoop { $0.handlerThrew($1, error) } }

  /// The error that a handler gets whose call has finished without it.
  static let finished = GRPCStatus(.cancelled, "the call has finished")

  func sendHeaders() {
    onLoop { $0.sendHeaders($1) }
  }

  /// Queues a message and returns once there is room for another.
  func write(_ message: [UInt8], mayCompress: Bool) async throws {
    if connection.loop.isCurrent {
      switch connection.write(stream, message, mayCompress: mayCompress) {
      case .written: return
      case .finished: throw Self.finished
      case .mustWait: try await withUnsafeThrowingContinuation { connection.waitToWrite(stream, $0) }
      }
    } else {
      try await withUnsafeThrowingContinuation { (waiter: WriteWaiter) in
        onLoop { connection, stream in
          switch connection.write(stream, message, mayCompress: mayCompress) {
          case .written: waiter.resume()
          case .finished: waiter.resume(throwing: Self.finished)
          case .mustWait: connection.waitToWrite(stream, waiter)
          }
        }
      }
    }
  }

  /// The next message; nil after the last.
  func read() async throws -> [UInt8]? {
    if connection.loop.isCurrent {
      switch connection.read(stream) {
      case .message(let bytes): return bytes
      case .requestEnded: return nil
      case .finished: throw Self.finished
      case .mustWait: return try await withUnsafeThrowingContinuation { connection.waitToRead(stream, $0) }
      }
    }
    return try await withUnsafeThrowingContinuation { (waiter: ReadWaiter) in
      onLoop { connection, stream in
        switch connection.read(stream) {
        case .message(let bytes): waiter.resume(returning: bytes)
        case .requestEnded: waiter.resume(returning: nil)
        case .finished: waiter.resume(throwing: Self.finished)
        case .mustWait: connection.waitToRead(stream, waiter)
        }
      }
    }
  }

  private func onLoop(_ body: @escaping @Sendable (ServerConnection, HTTP2Stream) -> Void) {
    if connection.loop.isCurrent {
      body(connection, stream)
    } else {
      connection.loop.execute { [self] in body(connection, stream) }
    }
  }
}

/// Where a handler writes the responses of a streaming call.
public struct ResponseWriter<Response>: Sendable {
  let call: ServerCall
  let encode: @Sendable (Response) -> [UInt8]

  /// Sends a response; waits while the caller does not read, so that at most 64 KiB and one message lie ready.
  /// - Parameter mayCompress: false sends this response as it is, even where the call's are compressed.
  /// - Throws: `GRPCStatus` CANCELLED when the call has finished.
  public func write(_ response: Response, mayCompress: Bool = true) async throws {
    try await call.write(encode(response), mayCompress: mayCompress)
  }

  /// Sends the response headers before the first response.
  public func sendHeaders() { call.sendHeaders() }
}

/// The requests of a streaming call, in order. One reader at a time.
public struct RequestStream<Request>: AsyncSequence, Sendable {
  public typealias Element = Request
  let call: ServerCall
  let decode: @Sendable ([UInt8]) throws -> Request

  public struct Iterator: AsyncIteratorProtocol {
    let call: ServerCall
    let decode: @Sendable ([UInt8]) throws -> Request

    /// The next request; nil when the caller has ended its side. Taking it lets the caller send more.
    /// - Throws: `GRPCStatus` CANCELLED when the call has finished, INTERNAL for a message that cannot be read.
    public mutating func next() async throws -> Request? {
      guard let bytes = try await call.read() else { return nil }
      return try parse(bytes, decode)
    }
  }

  public func makeAsyncIterator() -> Iterator { Iterator(call: call, decode: decode) }
}
