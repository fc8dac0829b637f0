internal import Synchronization
public import TLS
public import Tracing
public import Values

/// A call as its handler sees it: deadline, metadata, peer, cancellation. Usable on any thread.
public struct ServerContext: Sendable {
  let call: ServerCallRecord

  /// `/package.Service/Method`.
  public var path: String { call.path }
  /// When the caller stops waiting; `.distantFuture` when it never does.
  public var deadline: Instant { call.deadline }
  /// The request's custom metadata, `user-agent` included, the protocol's own fields not.
  public var metadata: Metadata { call.metadata }
  /// The id of that trace, as logs have it.
  var traceIDText: String? { trace?.traceIDText }
  /// The caller's address, `ipv4:10.0.0.1:5000`.
  public var peer: String { call.peer.address }
  /// The caller's identity, proved by a client certificate; nil in clear, and where none is required. Authorise by
  /// `peerNames`.
  public var peerCertificate: TLSPeer? { call.peer.certificate }
  /// The first URI in the caller's certificate, else its first DNS name, else its subject; nil without a certificate.
  public var peerName: String? {
    peerCertificate.map { $0.uris.first ?? $0.dnsNames.first ?? $0.subject }
  }
  /// The DNS names and URIs in the caller's certificate: what to authorise by; none without a certificate.
  public var peerNames: [String] { peerCertificate.map { $0.dnsNames + $0.uris } ?? [] }
  /// What the call is a part of, for whatever it causes: its own span where it is recorded, else the span that the
  /// caller names. A `traceparent` that is malformed, or two, are ignored, as W3C Trace Context asks (section 3.2.2.5):
  /// it is no reason to refuse a call.
  public var trace: TraceContext? { call.trace }
  /// The call's span; nil where it is not recorded (`GRPCServerConfiguration.tracer`).
  public var span: Span? { call.span }
  /// Whether nobody waits for the answer any more: the caller went away or its deadline has passed.
  public var isCancelled: Bool { call.isCancelled }

  /// The encoding of the request message that the handler got last: `.gzip` when it was compressed.
  public var requestEncoding: MessageEncoding { call.extras.withLock { $0.requestEncoding } }

  /// Chooses how this call's responses are compressed, over the server's configuration; before the first response.
  /// Responses that gzip does not shorten go out as they are, and all of them where the caller does not accept gzip.
  /// Compression takes the loop's time: some milliseconds a megabyte.
  public func setResponseEncoding(_ encoding: MessageEncoding) {
    call.extras.withLock { $0.responseEncoding = encoding }
  }

  /// Sets the status for a deadline that passes while the handler is at work, in place of a plain DEADLINE_EXCEEDED: a
  /// handler that changes something can say that the outcome is not known.
  public func setDeadlineStatus(_ status: GRPCStatus) { call.extras.withLock { $0.deadlineStatus = status } }

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

/// The other side of a connection, for all of its calls.
final class ServerPeer: Sendable {
  /// `ipv4:10.0.0.1:5000`.
  let address: String
  let account: PeerAccount
  let certificate: TLSPeer?

  init(address: String, account: PeerAccount, certificate: TLSPeer? = nil) {
    self.address = address
    self.account = account
    self.certificate = certificate
  }
}

/// The state that a call's handler and its connection share.
final class ServerCallRecord: @unchecked Sendable {
  // @unchecked: the variables are written in `init`, and in `reuse` and `clear` while nobody else has a reference.
  struct Extras: Sendable {
    // Nil where nothing was set, as in most calls: nothing to release then.
    var initial: Metadata?
    var trailers: Metadata?
    var requestEncoding = MessageEncoding.identity
    /// Nil: as the server's configuration says.
    var responseEncoding: MessageEncoding?
    /// Nil: a plain DEADLINE_EXCEEDED.
    var deadlineStatus: GRPCStatus?
    var cancelHandlers: [@Sendable () -> Void]?
    var isCancelled = false
    var drainHandlers: [@Sendable () -> Void]?
    var isDraining = false

    var isAsMade: Bool {
      initial == nil && trailers == nil && requestEncoding == .identity && responseEncoding == nil
        && deadlineStatus == nil && cancelHandlers == nil && !isCancelled && drainHandlers == nil && !isDraining
    }
  }
  @exclusivity(unchecked) private(set) var method: RegisteredMethod
  @exclusivity(unchecked) private(set) var deadline: Instant
  @exclusivity(unchecked) private var fields = MetadataBuffer()
  /// Set before a handler sees the record.
  @exclusivity(unchecked) private(set) var span: Span?
  /// Bytes of the responses so far, before compression. Used on the connection's loop only.
  @exclusivity(unchecked) var sentBytes = 0
  let peer: ServerPeer
  let extras = Mutex(Extras())

  var path: String { method.definition.path }

  /// The request's, made anew each time.
  var metadata: Metadata { fields.metadata }

  /// What the caller says that the call is a part of.
  var callersTrace: TraceContext? {
    let values = fields.values(of: "traceparent")
    return values.isEmpty ? nil : TraceContext(onlyOf: values)
  }

  init(method: RegisteredMethod, deadline: Instant, peer: ServerPeer) {
    self.method = method
    self.deadline = deadline
    self.peer = peer
  }

  /// Makes the record of a call that has left its slot one for the next; nobody else may have a reference to it.
  func reuse(method: RegisteredMethod, deadline: Instant) {
    self.method = method
    self.deadline = deadline
    sentBytes = 0
  }

  /// Takes the request's metadata in exchange for empty memory; before a handler sees the record.
  func takeMetadata(_ gathered: inout MetadataBuffer) { swap(&fields, &gathered) }

  /// Notes the call's span; before a handler sees the record.
  func begin(_ span: Span) { self.span = span }

  /// What the call is a part of.
  var trace: TraceContext? { span?.context ?? callersTrace }

  /// Drops what the call had set; nobody else may have a reference to the record.
  func clear() {
    fields.removeAll()
    if span != nil { span = nil }
    extras.withLock { extras in
      if !extras.isAsMade { extras = Extras() }
    }
  }

  var isCancelled: Bool { extras.withLock { $0.isCancelled } }

  func onCancel(_ body: @escaping @Sendable () -> Void) {
    let runNow = extras.withLock { extras in
      if !extras.isCancelled { extras.cancelHandlers = (extras.cancelHandlers ?? []) + [body] }
      return extras.isCancelled
    }
    if runNow { body() }
  }

  func cancel() {
    let handlers = extras.withLock { extras in
      extras.isCancelled = true
      return extras.cancelHandlers.take() ?? []
    }
    for handler in handlers { handler() }
  }

  func onDrain(_ body: @escaping @Sendable () -> Void) {
    let runNow = extras.withLock { extras in
      if !extras.isDraining { extras.drainHandlers = (extras.drainHandlers ?? []) + [body] }
      return extras.isDraining
    }
    if runNow { body() }
  }

  func drain() {
    let handlers = extras.withLock { extras in
      extras.isDraining = true
      return extras.drainHandlers.take() ?? []
    }
    for handler in handlers { handler() }
  }

  /// The call finishes and no handler is at work: what would have run on cancellation is let go.
  /// - Returns: the trailers that were set.
  @discardableResult
  func finish() -> Metadata? {
    extras.withLock { extras in
      extras.cancelHandlers = nil
      extras.drainHandlers = nil
      return extras.trailers
    }
  }
}
