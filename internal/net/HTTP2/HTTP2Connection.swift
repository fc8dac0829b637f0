internal import CNghttp2
internal import Glibc
public import Runtime
internal import TLS
internal import Values

/// A stream of one connection: where its state lies, and its number. The number tells a reused place apart.
public struct HTTP2Stream: Sendable, Hashable {
  /// Index into per-connection tables; reused after the stream is closed.
  public let slot: Int
  /// The stream identifier of RFC 9113, unique within the connection.
  public let id: Int32

  /// - Parameters:
  ///   - slot: an index into per-connection tables.
  ///   - id: the stream identifier.
  public init(slot: Int, id: Int32) {
    self.slot = slot
    self.id = id
  }
}

/// The events of a connection, for the protocol above it; all calls come on the loop's thread.
///
/// All methods of the connection may be called from within these calls; sent bytes leave at the end of the turn.
public protocol HTTP2ConnectionDelegate: AnyObject {
  /// A header block begins. An earlier block that never reached `headersReceived` was refused.
  func headersBegan()
  /// A field of the block: name in lower case, pseudo-headers first, valid during the call.
  func headerReceived(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer)
  /// The block is complete. Blocks of a connection never interleave.
  func headersReceived(_ stream: HTTP2Stream, endOfStream: Bool)
  /// A part of the body. `consume` gives its bytes back to flow control.
  func dataReceived(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer)
  /// The peer has ended its side, with the last DATA or by trailers.
  func endReceived(_ stream: HTTP2Stream)
  /// The unsent bytes of the stream have fallen below the low-water mark.
  func writable(_ stream: HTTP2Stream)
  /// The stream has closed; its slot may be reused after this call.
  func streamClosed(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode)
  /// The connection has closed, after all its streams.
  func connectionClosed(_ reason: String)
}

/// One socket and its nghttp2 session, on one loop. Not thread-safe: every call is made on the loop's thread.
public final class HTTP2Connection: EventSource, EventLoopTimerTarget, TurnEndTarget {
  /// Which side of the connection we are.
  public enum Role: Sendable { case server, client }

  enum Ending {
    case none
    /// Close once all pending bytes have been written.
    case afterFlush(String)
    /// Our side is shut down; input is read and dropped, so that the peer gets our last frames before a TCP reset.
    case lingering(String)
    case closed
  }
  /// A writer with more unsent bytes on its stream than this should wait for `writable`.
  public static let highWater = 64 << 10
  static let lowWater = 16 << 10
  /// A peer that drains fewer bytes than this within `stalledPeerTimeout` counts as stalled.
  static let leastProgress = 4 << 10
  static let lingerTime = Duration.seconds(1)

  // The variables below are touched on the loop's thread only, and no access to one is held across a call out of this
  // class: the run-time exclusivity checks, a fifth of a small call's instructions, could never find anything.
  /// The loop on whose thread everything happens.
  public let loop: EventLoop
  /// Which side we are.
  public let role: Role
  let configuration: HTTP2Configuration
  let scratch: HTTP2Scratch
  let transport: ByteTransport
  @exclusivity(unchecked) var session: OpaquePointer!  // set in init, nil once closed
  /// Retained by `setDelegate`, released in `finish`, after its last call.
  @exclusivity(unchecked) private var delegate: Unmanaged<DelegateBox>?
  @exclusivity(unchecked) var streams = Slots<StreamState>()
  @exclusivity(unchecked) var freeStreams: [Int] = []
  @exclusivity(unchecked) var headerListSize = 0
  /// The slot that was looked up last.
  @exclusivity(unchecked) var lastSlot = 0
  /// Server: the slot of the stream whose header block is incomplete and not refused; -1 for none.
  @exclusivity(unchecked) var headerBlockSlot = -1
  @exclusivity(unchecked) private var isHeaderBlockTimed = false
  @exclusivity(unchecked) var clock: ConnectionClock
  @exclusivity(unchecked) var pings: PingPolicy
  @exclusivity(unchecked) var idleFrames: TokenBucket
  @exclusivity(unchecked) var provokedResets: TokenBucket
  @exclusivity(unchecked) var resets: TokenBucket
  @exclusivity(unchecked) var scanner = FrameScanner()
  /// Bytes up to the next frame's head: of a payload, or of a client's preface.
  @exclusivity(unchecked) var payloadLeft = 0
  /// Bytes carried over from the last read to the next.
  @exclusivity(unchecked) var keptBytes: (UInt64, UInt64) = (0, 0)
  @exclusivity(unchecked) var keptCount = 0
  @exclusivity(unchecked) var ending = Ending.none
  @exclusivity(unchecked) private var isDirty = false
  private var source: EventSourceID?
  @exclusivity(unchecked) private var interest: Readiness = .readable
  @exclusivity(unchecked) private var timer: EventLoopTimer?
  @exclusivity(unchecked) private var timerDeadline = Instant.distantFuture
  @exclusivity(unchecked) var unwritten: [UInt8] = []
  @exclusivity(unchecked) private var unwrittenStart = 0
  /// Bytes to return to the connection's window, once a turn.
  @exclusivity(unchecked) var consumed = 0
  /// Bytes that the peer drained since its last progress.
  @exclusivity(unchecked) var taken = 0

  /// Unsent bytes of bodies, on all streams.
  public var queuedBytes: Int { waitingBytes }
  // Behind a function: other modules do not see that this needs no exclusivity check.
  @exclusivity(unchecked) var waitingBytes = 0

  /// Streams that are open now.
  @exclusivity(unchecked) public internal(set) var activeStreams = 0
  /// The reason why the connection closed; set before its streams close, so that they can report it.
  @exclusivity(unchecked) public private(set) var closeReason: String?
  /// The peer's fault, where that is why the connection closed.
  @exclusivity(unchecked) public internal(set) var failure: String?
  /// Whether GOAWAY has been announced.
  public var isDraining: Bool { clock.isDraining }
  /// Whether the connection can no longer be used.
  public var isClosed: Bool { if case .none = ending { false } else { true } }

  /// Takes over a transport; when it throws, the transport is closed. `setDelegate` must follow in the same turn of the
  /// loop.
  public init(
    transport: ByteTransport, role: Role, loop: EventLoop, configuration: HTTP2Configuration, scratch: HTTP2Scratch
  ) throws(HTTP2Error) {
    self.loop = loop
    self.role = role
    self.configuration = configuration
    self.scratch = scratch
    self.transport = transport
    clock = ConnectionClock(configuration, now: loop.now, jitter: Double.random(in: -0.1...0.1))
    pings = PingPolicy(configuration)
    idleFrames = TokenBucket(
      burst: configuration.idleFrameBurst, perSecond: configuration.idleFramesPerSecond, now: loop.now)
    provokedResets = TokenBucket(
      burst: configuration.resetBurst, perSecond: configuration.resetsPerSecond, now: loop.now)
    resets = provokedResets
    if role == .server { payloadLeft = Int(NGHTTP2_CLIENT_MAGIC_LEN) }
    // Unretained: the session is deleted in `finish`, before this object can go.
    session = makeSession(role, configuration, scratch.memory, Unmanaged.passUnretained(self).toOpaque())
    guard session != nil else {
      transport.close()
      throw HTTP2Error(.session, "nghttp2 could not make a session: out of memory")
    }
    if role == .server { unwritten = openingSettings(session, configuration) }
    source = loop.add(self, descriptor: transport.descriptor, interest: .readable)
    markDirty()
    setTimer()
  }

  /// Sets the receiver of the events; once.
  public func setDelegate(_ target: any HTTP2ConnectionDelegate) {
    precondition(delegate == nil, "a connection has one delegate")
    delegate = Unmanaged.passRetained(DelegateBox(target))
  }

  /// Calls the delegate without touching a reference count: it is retained until `finish`, which no callback reaches.
  @inline(__always)
  func tell(_ body: (any HTTP2ConnectionDelegate) -> Void) {
    delegate?._withUnsafeGuaranteedRef { body($0.target) }
  }

  /// Reads bytes that arrived with the end of a TLS handshake: the socket no longer reports them. Call it once the
  /// delegate is ready for events.
  public func readEarly() {
    if case .tls = transport { handle(.readable) }
  }

  // MARK: Readiness, turns, time

  public func handle(_ readiness: Readiness) {
    switch ending {
    case .closed: return
    case .lingering(let reason), .afterFlush(let reason):
      // Input is of no use any more.
      if readiness.contains(.writable) { markDirty() }
      return discard(reason)
    case .none: break
    }
    if readiness.contains(.writable) { markDirty() }
    guard readiness.contains(.readable) || !readiness.isDisjoint(with: .broken) else { return }
    readOnce()
  }

  private func discard(_ reason: String) {
    // The linger timer limits its time, one read a turn its work.
    if transport.read(scratch.incoming) == .closed { finish(reason) }
  }

  func markDirty() {
    guard !isDirty else { return }
    isDirty = true
    loop.atTurnEnd(self)
  }

  public func turnEnded() {
    isDirty = false
    switch ending {
    case .closed, .lingering: return
    case .none, .afterFlush: break
    }
    if consumed > 0 {
      nghttp2_session_consume_connection(session, consumed)
      consumed = 0
    }
    guard flush() else { return finish(transport.endReason) }
    updateInterest()
    trackProgress()
    if (headerBlockSlot >= 0) != isHeaderBlockTimed { timeHeaderBlock() }
    setTimer()
    guard unwritten.isEmpty else { return }
    if case .afterFlush(let reason) = ending {
      linger(reason)
    } else if nghttp2_session_want_read(session) == 0, nghttp2_session_want_write(session) == 0 {
      linger(failure ?? "HTTP/2 session ended")
    }
  }

  /// Sends nghttp2's output in writes of about 64 KiB until the socket is full; false when the transport is closed.
  private func flush() -> Bool {
    var writes = 0
    while true {
      if !unwritten.isEmpty {
        guard let emptied = writeRest() else { return false }
        if !emptied { return true }
      }
      let (filled, overflow) = fill()
      if filled == 0, overflow.isEmpty { return true }
      switch transport.write(UnsafeRawBufferPointer(rebasing: scratch.outgoing[..<filled])) {
      case .closed: return false
      case .wouldBlock: unwritten.append(contentsOf: scratch.outgoing[..<filled])
      case .count(let count): unwritten.append(contentsOf: scratch.outgoing[count..<filled])
      }
      unwritten += overflow
      if filled < HTTP2Scratch.size, unwritten.isEmpty { return true }
      writes += 1
      // Lets other connections of the loop have a turn.
      if writes == 16 {
        markDirty()
        return true
      }
    }
  }

  /// Collects frames in the loop's buffer. `overflow` holds the rest, which only an unusually large frame has.
  private func fill() -> (filled: Int, overflow: [UInt8]) {
    var filled = 0
    while filled < HTTP2Scratch.size {
      var frame: UnsafePointer<UInt8>?
      let count = nghttp2_session_mem_send(session, &frame)
      guard count > 0, let frame else {
        if count < 0 { ending = .afterFlush("nghttp2 ran out of memory") }
        break
      }
      let bytes = UnsafeRawBufferPointer(start: frame, count: count)
      if filled + count > scratch.outgoing.count { return (filled, Array(bytes)) }
      UnsafeMutableRawBufferPointer(rebasing: scratch.outgoing[filled...]).copyMemory(from: bytes)
      filled += count
    }
    return (filled, [])
  }

  /// Writes the rest of an earlier write; nil when the transport is closed, otherwise whether all of it was written.
  private func writeRest() -> Bool? {
    let outcome = unwritten.withUnsafeBytes { transport.write(UnsafeRawBufferPointer(rebasing: $0[unwrittenStart...])) }
    switch outcome {
    case .closed: return nil
    case .wouldBlock: return false
    case .count(let count):
      taken += count
      unwrittenStart += count
      guard unwrittenStart == unwritten.count else { return false }
      unwritten = []
      unwrittenStart = 0
      return true
    }
  }

  /// Pauses reading while the peer does not drain our bytes.
  private func updateInterest() {
    let wanted: Readiness = unwritten.isEmpty ? .readable : .writable
    guard wanted != interest, let source else { return }
    interest = wanted
    loop.update(source, interest: wanted)
  }

  private func trackProgress() {
    let isWaiting = waitingBytes > 0 || !unwritten.isEmpty
    if !isWaiting || taken >= Self.leastProgress {
      clock.peerMadeProgress()
      taken = 0
    }
    if isWaiting { clock.waitingForPeer(loop.now) }
  }

  /// Nearly every header block arrives whole within a turn; only the others get a deadline.
  private func timeHeaderBlock() {
    isHeaderBlockTimed = headerBlockSlot >= 0
    if isHeaderBlockTimed { clock.headerBlockBegun(loop.now) } else { clock.headerBlockEnded() }
  }

  func setTimer() {
    let deadline = clock.nextDeadline
    // A timer that fires early only asks the clock again, so it is only ever moved to an earlier time.
    if timer != nil, timerDeadline <= deadline { return }
    if let timer { loop.cancel(timer) }
    timer = loop.schedule(at: deadline, self)
    timerDeadline = deadline
  }

  public func timerFired(_ token: UInt64) {
    timer = nil
    switch ending {
    case .closed: return
    case .lingering(let reason): return finish(reason)
    case .none, .afterFlush: break
    }
    while let action = clock.expire(loop.now) {
      switch action {
      case .sendKeepalivePing: submitPing(configuration.keepaliveMark)
      case .drain: announceDrain()
      case .finishDrain: finishDrain()
      case .close(let reason):
        failure = reason
        return finish(reason)
      }
    }
    markDirty()
    setTimer()
  }

  // MARK: Endings

  /// Sends GOAWAY twice with a PING between: no new streams, open ones go on, then the connection closes.
  public func drain() {
    guard !clock.isDraining, !isClosed else { return }
    clock.drainStarted(loop.now)
    announceDrain()
    setTimer()
  }

  private func announceDrain() {
    if role == .server {
      nghttp2_submit_shutdown_notice(session)
      submitPing(configuration.drainMark)
    } else {
      finishDrain()
    }
    markDirty()
  }

  func finishDrain() {
    clock.drainPingAnswered()
    nghttp2_submit_goaway(
      session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nghttp2_session_get_last_proc_stream_id(session),
      NGHTTP2_NO_ERROR.rawValue, nil, 0)
    markDirty()
  }

  private func submitPing(_ mark: UInt64) {
    withUnsafeBytes(of: mark.bigEndian) { bytes in
      _ = nghttp2_submit_ping(
        session, UInt8(NGHTTP2_FLAG_NONE.rawValue), bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
    }
    markDirty()
  }

  /// Sends GOAWAY with a code and a reason, and closes once it is written.
  public func terminate(_ code: HTTP2ErrorCode, _ reason: String) {
    guard !isClosed else { return }
    var text = reason
    text.withUTF8 { bytes in
      _ = nghttp2_submit_goaway(
        session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nghttp2_session_get_last_proc_stream_id(session), code.rawValue,
        bytes.baseAddress, bytes.count)
    }
    if code != .noError { failure = reason }
    ending = .afterFlush(reason)
    markDirty()
  }

  /// Our last frames are written: shuts our side down and gives the peer a moment to read them.
  private func linger(_ reason: String) {
    closeReason = reason
    transport.shutdownWriting()
    endStreams()
    ending = .lingering(reason)
    if let timer { loop.cancel(timer) }
    timer = loop.schedule(at: loop.now + Self.lingerTime, self)
    if let source { loop.update(source, interest: .readable) }
  }

  /// Closes the connection without telling the peer. Not to be called from a delegate's methods: use `terminate` there.
  public func closeNow(_ reason: String) { finish(reason) }

  /// Closes everything at once. Never called from inside an nghttp2 callback.
  func finish(_ reason: String) {
    if case .closed = ending { return }
    closeReason = closeReason ?? reason
    endStreams()
    ending = .closed
    if let timer { loop.cancel(timer) }
    if let source { loop.remove(source) }
    nghttp2_session_del(session)
    session = nil
    transport.close()
    let delegate = delegate?.takeRetainedValue()
    self.delegate = nil
    delegate?.target.connectionClosed(reason)
  }

  private func endStreams() {
    for slot in streams.indices where streams[slot].id != 0 {
      closeStream(slot, HTTP2ErrorCode.cancel)
    }
  }
}

/// A constant can be called through without a retain; a variable of protocol type cannot.
private final class DelegateBox {
  let target: any HTTP2ConnectionDelegate

  init(_ target: any HTTP2ConnectionDelegate) { self.target = target }
}
