/// The way to answer one request. Callable on any thread.
///
/// Answer once, or break off. An exchange that is dropped without an answer answers 500; one that takes longer than its
/// route allows is answered 503, and what comes later is passed over.
public final class HTTPExchange: Sendable {
  private let request: ServedRequest
  private let core: ServerCore
  private let route: Int

  /// - Parameter route: its number.
  init(_ request: ServedRequest, _ core: ServerCore, route: Int) {
    self.request = request
    self.core = core
    self.route = route
  }

  deinit { if request.answer(.refusal(.failed)) { core.dropped(route: route) } }

  /// Says that the body is kept no longer, though the answer may take long: its bytes count no more in what all bodies
  /// may hold together.
  public func releaseBody() { core.releaseBody(of: request) }

  /// Answers.
  /// - Returns: false when the request was answered already, as when its time was over.
  @discardableResult
  public func respond(_ response: HTTPResponse) -> Bool { request.answer(.response(response)) }

  /// Answers with a body that follows part by part. HTTP/1.0 gets it too, and its end by the end of the connection.
  /// - Parameters:
  ///   - head: status and header fields; its body is not sent.
  ///   - capacity: bytes that may wait to be read.
  public func stream(_ head: HTTPResponse, capacity: Int = 64 << 10) -> HTTPStream {
    let buffer = StreamBuffer(capacity: capacity)
    if !request.answer(.stream(head, buffer)) { buffer.close() }
    return HTTPStream(buffer)
  }

  /// Ends the connection without an answer.
  /// - Returns: false when the request was answered already.
  @discardableResult
  public func breakOff() -> Bool { request.answer(.nothing) }

  /// Has `body` called once when waiting has become pointless: the caller has ended its side of the connection, so that
  /// the answer may not reach it, or the server drains. At once, when that is so already.
  ///
  /// `body` is called on any thread, and must not block. It does not answer the request: that remains to be done, for
  /// instance with what is known so far.
  public func whenInterrupted(_ body: @escaping @Sendable (HTTPInterruption) -> Void) { request.whenInterrupted(body) }
}
