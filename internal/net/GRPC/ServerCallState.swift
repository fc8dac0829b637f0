/// What a server does about one call, as a value: an event in, an action out. Sockets and tasks live outside it.
///
/// Words that say that something is over, here and in all of this module:
/// - A *request ends* when the client says that it sends no more.
/// - A *handler returns*: with its response, after its responses, or by throwing.
/// - A *call finishes* when its status is decided, once, by whoever comes first: its handler, its deadline, a refusal,
///   a client that leaves. If its handler has not returned by then, the call is *cancelled* for it. What comes later is
///   ignored.
/// - A *stream closes* when HTTP/2 knows it no more, which frees its slot; a *connection closes* with its socket.
///
/// Our own mistakes are preconditions, the peer's are actions that fail the call, and what may legitimately come late
/// (bytes after the answer, an answer after the client has gone) gives `.ignore`.
@usableFromInline
struct ServerCallState {
  @usableFromInline
  enum Kind: Sendable, Hashable {
    case unary
    case clientStreaming
    case serverStreaming
    case bidirectional

    var hasOneRequest: Bool { self == .unary || self == .serverStreaming }
  }
  private enum Request: Equatable {
    case open
    /// The only message of a call that has one; it is handed over when the client ends its side.
    case complete
    case ended
  }
  private enum Response: Equatable {
    case idle
    case headersSent
    case finished
  }

  enum MessageAction: Equatable {
    /// Keep it until the client ends its side.
    case keep
    /// Hand it to the handler.
    case deliver
    case fail(GRPCStatus)
    case ignore
  }
  enum EndAction: Equatable {
    /// Run the handler with the message that was kept.
    case dispatch
    /// Tell the handler that no more comes.
    case deliverEnd
    case fail(GRPCStatus)
    case ignore
  }
  enum SendAction: Equatable {
    case headersThenMessage
    case message
    case ignore
  }
  enum FinishAction: Equatable {
    /// No headers are out: the status goes in the only header block.
    case trailersOnly
    case trailers
    case ignore
  }

  let kind: Kind
  private var request = Request.open
  private var response = Response.idle

  init(_ kind: Kind) { self.kind = kind }

  var isFinished: Bool { response == .finished }
  var hasSentHeaders: Bool { response != .idle }
  /// Whether the handler cannot start before the client has sent its request whole.
  var awaitsRequest: Bool { kind.hasOneRequest && request != .ended && response != .finished }

  /// Can transition to: complete (one-request kinds). Stays open otherwise.
  mutating func received() -> MessageAction {
    if response == .finished { return .ignore }
    switch request {
    case .open where kind.hasOneRequest:
      request = .complete
      return .keep
    case .open: return .deliver
    case .complete: return .fail(GRPCStatus(.unimplemented, "more than one request message on a call that takes one"))
    case .ended: preconditionFailure("a message after the end of the stream: HTTP/2 does not deliver it")
    }
  }

  /// Can transition to: ended.
  mutating func receivedEnd(isInsideMessage: Bool) -> EndAction {
    let before = request
    request = .ended
    if response == .finished { return .ignore }
    if isInsideMessage { return .fail(GRPCStatus(.internal, "the request ended inside a message")) }
    guard kind.hasOneRequest else { return .deliverEnd }
    if before == .complete { return .dispatch }
    return .fail(GRPCStatus(.unimplemented, "no request message on a call that takes one"))
  }

  /// Can transition to: headersSent.
  mutating func sendHeaders() -> Bool {
    guard response == .idle else { return false }
    response = .headersSent
    return true
  }

  /// Can transition to: headersSent.
  mutating func send() -> SendAction {
    switch response {
    case .idle:
      response = .headersSent
      return .headersThenMessage
    case .headersSent: return .message
    case .finished: return .ignore
    }
  }

  /// Can transition to: finished, once.
  mutating func finish() -> FinishAction {
    defer { response = .finished }
    switch response {
    case .idle: return .trailersOnly
    case .headersSent: return .trailers
    case .finished: return .ignore
    }
  }
}
