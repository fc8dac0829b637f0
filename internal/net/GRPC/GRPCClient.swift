internal import Errors
internal import HTTP2
internal import Runtime
internal import Synchronization
public import TLS
public import Values

/// A small gRPC client for command lines and tests: one connection, calls that block the caller.
///
/// It connects on the first call and again after the connection is lost; it never retries a call by itself, so a
/// caller that gets UNAVAILABLE decides. Callable on any thread that may block, by several at once.
public final class GRPCClient: Sendable {
  /// What a call was answered with when its status was OK.
  public struct Response: Sendable {
    /// The response message, decompressed and not yet decoded.
    public let message: [UInt8]
    /// Metadata that came before the message.
    public let initialMetadata: Metadata
    /// Metadata that came with the status.
    public let trailers: Metadata
  }

  private let address: NetworkAddress
  private let userAgent: String
  private let tls: TLSClientContext?
  private let loop = EventLoop(name: "grpc-client")
  private let maxResponseSize: Int
  private let current = Mutex<ClientConnection?>(nil)

  /// - Parameters:
  ///   - userAgent: what servers log of the caller, such as `shipping/1.2`.
  ///   - tls: whom to trust; nil calls in clear.
  ///   - maxResponseSize: the longest response message that is taken, bytes.
  public init(
    address: NetworkAddress, userAgent: String, tls: TLSClientContext? = nil, maxResponseSize: Int = 4 << 20
  ) {
    self.address = address
    self.userAgent = userAgent
    self.tls = tls
    self.maxResponseSize = maxResponseSize
    loop.start()
  }

  deinit {
    close()
    loop.stop()
  }

  /// Ends the connection; calls in progress fail with UNAVAILABLE.
  public func close() {
    let connection = current.withLock { current in
      defer { current = nil }
      return current
    }
    loop.execute { connection?.close() }
  }

  /// One request, one response.
  /// - Throws: the status the call finished with, UNAVAILABLE when there is no connection, DEADLINE_EXCEEDED.
  public func unary(
    _ path: String, _ request: [UInt8], timeout: Duration = .seconds(10), metadata: Metadata = [:]
  ) throws(GRPCStatus) -> Response {
    let call = try begin(path, [request], timeout, metadata)
    guard let message = try call.next() else {
      throw GRPCStatus(.unimplemented, "the server answered OK without a message")
    }
    guard try call.next() == nil else {
      call.cancel()
      throw GRPCStatus(.unimplemented, "the server answered a unary call with several messages")
    }
    return Response(message: message, initialMetadata: call.initialMetadata, trailers: call.trailersReceived)
  }

  /// One request, many responses, each handed to `receive` on the calling thread; `receive` returns false to stop.
  /// - Throws: the status the call finished with, unless it was stopped.
  public func serverStreaming(
    _ path: String, _ request: [UInt8], timeout: Duration? = nil, metadata: Metadata = [:],
    _ receive: ([UInt8]) -> Bool
  ) throws(GRPCStatus) {
    let call = try begin(path, [request], timeout, metadata)
    while let message = try call.next() {
      guard receive(message) else { return call.cancel() }
    }
  }

  /// Many requests, sent at once, and any number of responses; for tests of the streaming kinds.
  func exchange(
    _ path: String, _ requests: [[UInt8]], timeout: Duration = .seconds(10), metadata: Metadata = [:]
  ) throws(GRPCStatus) -> [[UInt8]] {
    let call = try begin(path, requests, timeout, metadata)
    var responses: [[UInt8]] = []
    while let message = try call.next() { responses.append(message) }
    return responses
  }

  private func begin(
    _ path: String, _ requests: [[UInt8]], _ timeout: Duration?, _ metadata: Metadata
  ) throws(GRPCStatus) -> ClientCall {
    let deadline = timeout.map { Instant.now() + $0 } ?? .distantFuture
    let connection = try connected(min(timeout ?? .seconds(10), .seconds(10)))
    var headers = HTTP2Headers([
      ":method": "POST", ":scheme": tls == nil ? "http" : "https", ":path": path, ":authority": address.description,
      "content-type": "application/grpc", "te": "trailers", "user-agent": userAgent,
    ])
    if let timeout { headers.append("grpc-timeout", WireText.timeout(timeout)) }
    ResponseHeaders.append(metadata, to: &headers)
    let call = ClientCall(connection, deadline: deadline, limit: maxResponseSize)
    let block = HTTP2HeaderBlock.list(headers)
    loop.execute { connection.start(call, block, requests) }
    return call
  }

  private func connected(_ timeout: Duration) throws(GRPCStatus) -> ClientConnection {
    if let connection = current.withLock({ $0 }), !connection.isClosing { return connection }
    let transport = try connect(timeout)
    let made = ClientConnection(loop)
    loop.execute { made.open(transport) }
    let chosen = current.withLock { current in
      // Another caller may have connected meanwhile.
      if let other = current, !other.isClosing { return other }
      current = made
      return made
    }
    if chosen !== made { loop.execute { made.close() } }
    return chosen
  }

  private func connect(_ timeout: Duration) throws(GRPCStatus) -> ByteTransport {
    let deadline = Instant.now() + timeout
    let descriptor: Int32
    do throws(HTTP2Error) {
      descriptor = try connectSocket(address, timeout: timeout)
    } catch {
      throw GRPCStatus(.unavailable, error.description)
    }
    guard let tls else { return .plain(descriptor) }
    do throws(TLSError) {
      let stream = try tls.connect(descriptor, host: address.host)
      do throws(TLSError) {
        try stream.handshake(until: deadline)
      } catch {
        stream.close()
        throw error
      }
      return .tls(stream)
    } catch {
      throw GRPCStatus(.unavailable, error.description)
    }
  }
}
