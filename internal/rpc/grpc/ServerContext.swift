public import Runtime
internal import Synchronization

/// What a handler knows of its call, and what it may say beside its messages. Usable on any thread.
public struct ServerContext: Sendable {
  let call: ServerCallRecord

  /// `/package.Service/Method`.
  public var path: String { call.path }
  /// When the caller stops waiting; `.distantFuture` when it never does.
  public var deadline: Instant { call.deadline }
  /// The request's custom metadata, `user-agent` included, the protocol's own fields not.
  public var metadata: Metadata { call.metadata }
  /// The caller's address, `ipv4:10.0.0.1:5000`.
  public var peer: String { call.peer }
  /// Whether nobody waits for the answer any more: the caller went away or its deadline has passed.
  public var isCancelled: Bool { call.isCancelled }

  /// How the request came that the handler was given last: `.gzip` when it was compressed.
  public var requestEncoding: MessageEncoding { call.extras.withLock { $0.requestEncoding } }

  /// Chooses how this call's responses are compressed, over the server's configuration; before the first response.
  /// Responses that gzip does not shorten go out as they are, and all of them where the caller does not accept gzip.
  /// Compression takes the loop's time: some milliseconds a megabyte.
  public func setResponseEncoding(_ encoding: MessageEncoding) {
    call.extras.withLock { $0.responseEncoding = encoding }
  }

  /// Runs `body` once when the call is cancelled, at once if it is already; never when it ends by itself.
  /// `body` must be short: it runs on the connection's loop.
  public func onCancel(_ body: @escaping @Sendable () -> Void) { call.onCancel(body) }

  /// Runs `body` once when the server begins to drain, at once if it already does: a stream without an end of its own
  /// ends itself then, so that the shutdown need not wait out its grace. `body` runs on the connection's loop.
  public func onDrain(_ body: @escaping @Sendable () -> Void) { call.onDrain(body) }

  /// Metadata that goes out with the response headers; without effect once those are sent.
  public func setInitialMetadata(_ metadata: Metadata) { call.extras.withLock { $0.initial = metadata } }

  /// Metadata that goes out with the status, whether the call succeeds or fails.
  public func setTrailers(_ metadata: Metadata) { call.extras.withLock { $0.trailers = metadata } }
}

/// The part of a call that its handler and its connection share.
final class ServerCallRecord: Sendable {
  struct Extras: Sendable {
    var initial = Metadata()
    var trailers = Metadata()
    var requestEncoding = MessageEncoding.identity
    /// Nil: as the server's configuration says.
    var responseEncoding: MessageEncoding?
    var cancelHandlers: [@Sendable () -> Void] = []
    var isCancelled = false
    var drainHandlers: [@Sendable () -> Void] = []
    var isDraining = false
  }
  let path: String
  let deadline: Instant
  let metadata: Metadata
  let peer: String
  let extras = Mutex(Extras())

  init(path: String, deadline: Instant, metadata: Metadata, peer: String) {
    self.path = path
    self.deadline = deadline
    self.metadata = metadata
    self.peer = peer
  }

  var isCancelled: Bool { extras.withLock { $0.isCancelled } }

  func onCancel(_ body: @escaping @Sendable () -> Void) {
    let runNow = extras.withLock { extras in
      if !extras.isCancelled { extras.cancelHandlers.append(body) }
      return extras.isCancelled
    }
    if runNow { body() }
  }

  func cancel() {
    let handlers = extras.withLock { extras in
      extras.isCancelled = true
      defer { extras.cancelHandlers = [] }
      return extras.cancelHandlers
    }
    for handler in handlers { handler() }
  }

  func onDrain(_ body: @escaping @Sendable () -> Void) {
    let runNow = extras.withLock { extras in
      if !extras.isDraining { extras.drainHandlers.append(body) }
      return extras.isDraining
    }
    if runNow { body() }
  }

  func drain() {
    let handlers = extras.withLock { extras in
      extras.isDraining = true
      defer { extras.drainHandlers = [] }
      return extras.drainHandlers
    }
    for handler in handlers { handler() }
  }

  /// The call has ended by itself: what would have run on cancellation is let go.
  func end() {
    extras.withLock { extras in
      // Most calls never set any: no release to pay for then.
      if !extras.cancelHandlers.isEmpty { extras.cancelHandlers = [] }
      if !extras.drainHandlers.isEmpty { extras.drainHandlers = [] }
    }
  }
}
