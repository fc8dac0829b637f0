internal import CNghttp2
internal import Runtime
internal import Values

/// The state of one stream; slots are reused with their buffers.
struct StreamState: ~Copyable {
  enum Finish {
    /// More may be written.
    case open
    /// The body ends the stream.
    case endOfStream
    case trailers(HTTP2HeaderBlock)
  }
  /// 0: the slot is free.
  var id: Int32 = 0
  var outgoing = ByteQueue()
  var finish = Finish.open
  /// nghttp2 waits for `resume_data`.
  var isDeferred = false
  var hasSentHeaders = false
  var remoteEnded = false
  var wantsWritable = false
  /// The peer sends no further frame on the stream.
  var needsNoWindow = false
  /// Bytes received and not yet given back to flow control.
  var unconsumed = 0
  /// Server: checks the request against RFC 9113.
  var request = RequestCheck()

  /// Makes the slot ready for the next stream; small buffers are kept.
  mutating func reset() {
    outgoing.removeAll(keepingUpTo: 512)
    id = 0
    finish = .open
    isDeferred = false
    hasSentHeaders = false
    remoteEnded = false
    wantsWritable = false
    needsNoWindow = false
    unconsumed = 0
    request = RequestCheck()
  }
}

extension HTTP2Connection {
  /// Whether the stream is still the one in its slot.
  public func isOpen(_ stream: HTTP2Stream) -> Bool {
    stream.slot < streams.count && streams[stream.slot].id == stream.id
  }

  /// Client: opens a stream with a request. The body follows with `write` unless `endOfStream`.
  /// - Returns: nil when no stream can be opened any more.
  public func request(_ headers: HTTP2HeaderBlock) -> HTTP2Stream? {
    guard !isClosed, !isDraining else { return nil }
    let slot = takeSlot()
    var provider = bodyProvider(slot)
    let id = headers.withNameValues { list, count in
      nghttp2_submit_request(session, nil, list, count, &provider, nil)
    }
    guard id > 0 else {
      releaseSlot(slot)
      return nil
    }
    nghttp2_session_set_stream_user_data(session, id, userData(slot))
    streams[slot].id = id
    streams[slot].hasSentHeaders = true
    markDirty()
    return HTTP2Stream(slot: slot, id: id)
  }

  /// Server: sends the response headers; the body follows with `write`.
  public func respond(_ stream: HTTP2Stream, _ headers: HTTP2HeaderBlock) {
    guard isOpen(stream), !streams[stream.slot].hasSentHeaders else { return }
    streams[stream.slot].hasSentHeaders = true
    var provider = bodyProvider(stream.slot)
    _ = headers.withNameValues { list, count in
      nghttp2_submit_response(session, stream.id, list, count, &provider)
    }
    markDirty()
  }

  /// Server: sends a response that is one header block and nothing more.
  public func respondOnly(_ stream: HTTP2Stream, _ headers: HTTP2HeaderBlock) {
    guard isOpen(stream), !streams[stream.slot].hasSentHeaders else { return }
    streams[stream.slot].hasSentHeaders = true
    _ = headers.withNameValues { list, count in
      nghttp2_submit_response(session, stream.id, list, count, nil)
    }
    markDirty()
  }

  /// Adds to the body. It is copied; the caller bounds it with `queued` and `writable`.
  public func write(_ stream: HTTP2Stream, _ bytes: [UInt8]) {
    guard isOpen(stream) else { return }
    bytes.withUnsafeBytes { streams[stream.slot].outgoing.append($0) }
    queue(bytes.count)
    resume(stream.slot)
  }

  /// Adds a gRPC message to the body: flag, length, bytes.
  public func writeMessage(_ stream: HTTP2Stream, flag: UInt8 = 0, _ message: [UInt8]) {
    guard isOpen(stream) else { return }
    message.withUnsafeBytes { streams[stream.slot].outgoing.appendMessage(flag: flag, $0) }
    queue(message.count + 5)
    resume(stream.slot)
  }

  /// Ends the body, with trailers or without.
  public func finish(_ stream: HTTP2Stream, trailers: HTTP2HeaderBlock?) {
    guard isOpen(stream), case .open = streams[stream.slot].finish else { return }
    if let trailers {
      streams[stream.slot].finish = .trailers(trailers)
    } else {
      streams[stream.slot].finish = .endOfStream
    }
    resume(stream.slot)
  }

  /// Drops the unsent part of the body; for calls that fail while the peer does not read.
  public func dropUnsent(_ stream: HTTP2Stream) {
    guard isOpen(stream) else { return }
    queue(-streams[stream.slot].outgoing.count)
    streams[stream.slot].outgoing.removeAll(keepingUpTo: 0)
  }

  /// Unsent bytes of the body.
  public func queued(_ stream: HTTP2Stream) -> Int {
    isOpen(stream) ? streams[stream.slot].outgoing.count : 0
  }

  /// Requests one `writable` call, once the unsent bytes are below the low-water mark.
  public func notifyWhenWritable(_ stream: HTTP2Stream) {
    if isOpen(stream) { streams[stream.slot].wantsWritable = true }
  }

  /// Ends a stream at once.
  public func reset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
    guard isOpen(stream) else { return }
    nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream.id, code.rawValue)
    markDirty()
  }

  /// Gives received bytes back to flow control: the application has taken them.
  public func consume(_ stream: HTTP2Stream, _ count: Int) {
    guard isOpen(stream) else { return }
    let given = min(count, streams[stream.slot].unconsumed)
    guard given > 0 else { return }
    streams[stream.slot].unconsumed -= given
    if streams[stream.slot].needsNoWindow {
      consumed += given
    } else {
      nghttp2_session_consume(session, stream.id, given)
    }
    markDirty()
  }

  // MARK: Slots

  /// Frees the stream slots of an idle connection; call it once in a while.
  public func trim() {
    guard activeStreams == 0, !freeStreams.isEmpty else { return }
    streams.removeAll()
    freeStreams = []
  }

  func takeSlot() -> Int {
    activeStreams += 1
    if activeStreams == 1 { clock.streamsChanged(active: 1, loop.now) }
    if let slot = freeStreams.popLast() { return slot }
    streams.append(StreamState())
    return streams.count - 1
  }

  /// Counts unsent bytes of bodies.
  func queue(_ change: Int) {
    waitingBytes += change
    scratch.waitingBytes += change
  }

  func releaseSlot(_ slot: Int) {
    queue(-streams[slot].outgoing.count)
    streams[slot].reset()
    freeStreams.append(slot)
    activeStreams -= 1
    if activeStreams == 0 { clock.streamsChanged(active: 0, loop.now) }
  }

  func closeStream(_ slot: Int, _ code: HTTP2ErrorCode) {
    let stream = HTTP2Stream(slot: slot, id: streams[slot].id)
    if slot == headerBlockSlot { headerBlockSlot = -1 }
    tell { $0.streamClosed(stream, code) }
    // Bytes that the application never consumed must not shrink the connection's window for other streams.
    consumed += streams[slot].unconsumed
    releaseSlot(slot)
  }

  private func resume(_ slot: Int) {
    if streams[slot].isDeferred {
      streams[slot].isDeferred = false
      nghttp2_session_resume_data(session, streams[slot].id)
    }
    markDirty()
  }

  private func bodyProvider(_ slot: Int) -> nghttp2_data_provider {
    var provider = nghttp2_data_provider()
    provider.source.fd = Int32(slot)
    provider.read_callback = readBody
    return provider
  }

  /// The pointer that nghttp2 keeps per stream is the slot plus one, which tells slot 0 from no slot.
  func userData(_ slot: Int) -> UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: slot + 1) }

  func slot(_ id: Int32) -> Int? {
    // The next frame mostly belongs to the same stream.
    if lastSlot < streams.count, streams[lastSlot].id == id { return lastSlot }
    let mark = UInt(bitPattern: nghttp2_session_get_stream_user_data(session, id))
    guard mark != 0 else { return nil }
    lastSlot = Int(mark) - 1
    return lastSlot
  }
}
