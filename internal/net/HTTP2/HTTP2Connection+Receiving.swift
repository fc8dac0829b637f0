internal import CNghttp2
internal import Glibc
internal import Runtime
internal import TLS

/// Receiving. A server inspects the frames before nghttp2 sees them.
extension HTTP2Connection {
  /// The most bytes carried over from one read to the next, at the front of the loop's buffer: less than an RST_STREAM.
  static let keptSize = 16

  /// Reads once, after the bytes carried over, and consumes all of them.
  func readOnce() {
    let kept = keptCount
    let room = UnsafeMutableRawBufferPointer(rebasing: scratch.incoming[Self.keptSize...])
    switch transport.read(room) {
    case .wouldBlock: break
    case .closed: finish(transport.endReason)
    case .count(let count):
      clock.received(loop.now)
      let start = Self.keptSize - kept
      if kept > 0 {
        withUnsafeBytes(of: keptBytes) {
          scratch.incoming.baseAddress!.advanced(by: start).copyMemory(from: $0.baseAddress!, byteCount: kept)
        }
        keptCount = 0
      }
      let bytes = UnsafeRawBufferPointer(rebasing: scratch.incoming[start..<Self.keptSize + count])
      if role == .server { scan(bytes) } else { feed(bytes) }
      markDirty()
    }
  }

  private func scan(_ bytes: UnsafeRawBufferPointer) {
    var fed = 0
    var position = min(payloadLeft, bytes.count)
    payloadLeft -= position
    while bytes.count - position >= FrameScanner.headSize {
      let head = FrameScanner.Head(bytes, at: position)
      switch scanner.judge(head) {
      case .pass: break
      case .ongoing(let mustFeed):
        if mustFeed {
          guard feed(bytes, &fed, upTo: position) else { return }
        }
        guard mayGoOn(head) else { return }
      case .idleReset:
        if bytes.count - position < FrameScanner.resetSize { return keep(bytes, &fed, from: position) }
        guard feed(bytes, &fed, upTo: position) else { return }
        fed += FrameScanner.resetSize
        resetReceived()
      }
      position += FrameScanner.headSize + head.length
      if position >= bytes.count {
        payloadLeft = position - bytes.count
        position = bytes.count
      }
    }
    keep(bytes, &fed, from: position)
  }

  /// Carries an incomplete frame header over to the next read.
  private func keep(_ bytes: UnsafeRawBufferPointer, _ fed: inout Int, from position: Int) {
    guard feed(bytes, &fed, upTo: position) else { return }
    keptCount = bytes.count - position
    guard keptCount > 0 else { return }
    withUnsafeMutableBytes(of: &keptBytes) {
      $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[position...]))
    }
  }

  /// - Returns: whether the connection is still open.
  @inline(__always)
  private func feed(_ bytes: UnsafeRawBufferPointer, _ fed: inout Int, upTo end: Int) -> Bool {
    if end > fed { feed(UnsafeRawBufferPointer(rebasing: bytes[fed..<end])) }
    fed = end
    scanner.fed()
    return !isClosed
  }

  private func feed(_ bytes: UnsafeRawBufferPointer) {
    let outcome = nghttp2_session_mem_recv(
      session, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
    if outcome < 0 { receivingFailed(Int32(truncatingIfNeeded: outcome)) }
  }

  /// DATA or HEADERS of a stream that began earlier. A stream that the peer has ended is reset first, so that nghttp2
  /// has forgotten it when it sees the frame: it then skips the frame, returns its bytes to the connection's window,
  /// and keeps its HPACK state.
  private func mayGoOn(_ head: FrameScanner.Head) -> Bool {
    guard let slot = slot(head.stream) else {
      // A few such frames are in flight after a reset by either side; more than that is abuse.
      if !idleFrames.spend(loop.now) { terminate(.enhanceYourCalm, "too many frames for streams that are over") }
      return !isClosed
    }
    if streams[slot].remoteEnded { expel(HTTP2Stream(slot: slot, id: head.stream)) }
    return !isClosed
  }

  /// Resets a stream and collects what nghttp2 sends up to the reset: only then does it forget the stream.
  private func expel(_ stream: HTTP2Stream) {
    nghttp2_submit_rst_stream(
      session, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream.id, NGHTTP2_STREAM_CLOSED.rawValue)
    while isOpen(stream) {
      var frame: UnsafePointer<UInt8>?
      let count = nghttp2_session_mem_send(session, &frame)
      guard count > 0, let frame else { return }
      unwritten.append(contentsOf: UnsafeBufferPointer(start: frame, count: count))
    }
  }

  /// A negative result of nghttp2 is final, but the GOAWAY with the reason is still sent.
  private func receivingFailed(_ outcome: Int32) {
    let code: nghttp2_error_code =
      switch outcome {
      case NGHTTP2_ERR_FLOODED.rawValue, NGHTTP2_ERR_TOO_MANY_CONTINUATIONS.rawValue: NGHTTP2_ENHANCE_YOUR_CALM
      case NGHTTP2_ERR_BAD_CLIENT_MAGIC.rawValue: NGHTTP2_PROTOCOL_ERROR
      default: NGHTTP2_INTERNAL_ERROR
      }
    terminate(HTTP2ErrorCode(rawValue: code.rawValue), String(cString: nghttp2_strerror(outcome)))
  }
}
