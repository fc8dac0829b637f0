internal import CNghttp2
internal import Glibc
internal import Runtime
internal import Values

/// Makes a session with our callbacks, limits and first SETTINGS; nil when memory is out.
func makeSession(
  _ role: HTTP2Connection.Role, _ configuration: HTTP2Configuration, _ memory: SessionMemory,
  _ context: UnsafeMutableRawPointer
) -> OpaquePointer? {
  var option: OpaquePointer?
  guard nghttp2_option_new(&option) == 0 else { return nil }
  defer { nghttp2_option_del(option) }
  nghttp2_option_set_no_auto_window_update(option, 1)
  // A closed stream is forgotten: nghttp2 closes the connection on DATA or trailers for one that it remembers as reset,
  // but such frames may lawfully be in flight, and grpc-java sends them after its own RST_STREAM.
  nghttp2_option_set_no_closed_streams(option, 1)
  // `resetReceived` counts them, and says why it ends the connection.
  nghttp2_option_set_stream_reset_rate_limit(option, UInt64(UInt32.max), UInt64(UInt32.max))
  // `RequestCheck` does it: nghttp2 refuses a request without `:authority`, which is lawful in gRPC.
  if role == .server { nghttp2_option_set_no_http_messaging(option, 1) }
  var session: OpaquePointer?
  var memory = memory.table
  let status =
    role == .server
    ? nghttp2_session_server_new3(&session, callbacks.pointer, context, option, &memory)
    : nghttp2_session_client_new3(&session, callbacks.pointer, context, option, &memory)
  guard status == 0 else { return nil }
  var settings = [
    nghttp2_settings_entry(
      settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue), value: UInt32(configuration.streamWindow)),
    nghttp2_settings_entry(
      settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue),
      value: UInt32(configuration.maxHeaderListSize)),
  ]
  if role == .server {
    settings.append(
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue),
        value: UInt32(Int32.max)))
  } else {
    settings.append(nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), value: 0))
  }
  nghttp2_submit_settings(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), settings, settings.count)
  nghttp2_session_set_local_window_size(
    session, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, Int32(configuration.connectionWindow))
  return session
}

/// A server's first SETTINGS frame, with SETTINGS_MAX_CONCURRENT_STREAMS.
///
/// nghttp2 itself is given no limit: it would close the whole connection of a peer that exceeds one, while
/// `beginHeaders` refuses only the stream.
func openingSettings(_ session: OpaquePointer, _ configuration: HTTP2Configuration) -> [UInt8] {
  var first: UnsafePointer<UInt8>?
  let count = nghttp2_session_mem_send(session, &first)
  guard count >= 9, let first else { return [] }  // out of memory, which the next send reports
  var frame = Array(UnsafeBufferPointer(start: first, count: count))
  // Behind the frame's header entries of six bytes: a number of two, a value of four.
  for entry in stride(from: 9, to: count, by: 6)
  where frame[entry] == 0 && frame[entry + 1] == UInt8(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue) {
    for byte in 0..<4 {
      frame[entry + 2 + byte] = UInt8(truncatingIfNeeded: configuration.maxConcurrentStreams >> (24 - 8 * byte))
    }
  }
  return frame
}

/// The callback table, made once; nghttp2 copies it into each session.
private struct Callbacks: @unchecked Sendable {
  // @unchecked: written here only, read by nghttp2 afterwards.
  let pointer: OpaquePointer?

  init() {
    var made: OpaquePointer?
    nghttp2_session_callbacks_new(&made)
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, onBeginHeaders)
    nghttp2_session_callbacks_set_on_header_callback(made, onHeader)
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, onFrameReceived)
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, onDataChunk)
    nghttp2_session_callbacks_set_on_stream_close_callback(made, onStreamClose)
    nghttp2_session_callbacks_set_on_frame_send_callback(made, onFrameSent)
    pointer = made
  }
}

private let callbacks = Callbacks()

// The callbacks are file-scope functions, so that they inherit no actor. Their context is the connection, unretained:
// the session is deleted before the connection can go, and the reference count is not touched on the way.

@inline(__always)
private func with<Result>(_ context: UnsafeMutableRawPointer?, _ body: (HTTP2Connection) -> Result) -> Result {
  // nghttp2 hands back the pointer it was given in `makeSession`.
  Unmanaged<HTTP2Connection>.fromOpaque(context!)._withUnsafeGuaranteedRef(body)
}

private func onBeginHeaders(
  _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  guard let frame else { return 0 }
  return with(context) { $0.beginHeaders(frame.pointee.headers) }
}

private func onHeader(
  _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ name: UnsafePointer<UInt8>?, _ nameLength: Int,
  _ value: UnsafePointer<UInt8>?, _ valueLength: Int, _ flags: UInt8, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  guard let frame else { return 0 }
  return with(context) {
    $0.header(
      frame.pointee.hd.stream_id, UnsafeRawBufferPointer(start: name, count: nameLength),
      UnsafeRawBufferPointer(start: value, count: valueLength))
  }
}

private func onFrameReceived(
  _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  guard let frame else { return 0 }
  with(context) { $0.frameReceived(frame) }
  return 0
}

private func onDataChunk(
  _ session: OpaquePointer?, _ flags: UInt8, _ id: Int32, _ data: UnsafePointer<UInt8>?, _ length: Int,
  _ context: UnsafeMutableRawPointer?
) -> Int32 {
  let isLast = flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
  with(context) { $0.dataChunk(id, UnsafeRawBufferPointer(start: data, count: length), isLast: isLast) }
  return 0
}

private func onStreamClose(
  _ session: OpaquePointer?, _ id: Int32, _ code: UInt32, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  with(context) { connection in
    if let slot = connection.slot(id) { connection.closeStream(slot, HTTP2ErrorCode(rawValue: code)) }
  }
  return 0
}

private func onFrameSent(
  _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  guard let frame else { return 0 }
  with(context) { $0.frameSent(frame) }
  return 0
}

/// Fills a DATA frame from a stream's queue (nghttp2_data_source_read_callback).
func readBody(
  _ session: OpaquePointer?, _ id: Int32, _ buffer: UnsafeMutablePointer<UInt8>?, _ length: Int,
  _ flags: UnsafeMutablePointer<UInt32>?, _ source: UnsafeMutablePointer<nghttp2_data_source>?,
  _ context: UnsafeMutableRawPointer?
) -> Int {
  guard let buffer, let flags, let source else { return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
  return with(context) { $0.body(Int(source.pointee.fd), buffer, length, flags) }
}

extension HTTP2Connection {
  fileprivate func beginHeaders(_ frame: nghttp2_headers) -> Int32 {
    tell { $0.headersBegan() }
    headerListSize = 0
    guard role == .server else { return 0 }
    guard frame.cat == NGHTTP2_HCAT_REQUEST else {
      guard frame.hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0 else {
        return refuse(frame.hd.stream_id, .protocolError)
      }
      if let slot = slot(frame.hd.stream_id) { streams[slot].request.beginTrailers() }
      return 0
    }
    if activeStreams >= configuration.maxConcurrentStreams { return refuse(frame.hd.stream_id, .refusedStream) }
    lastSlot = takeSlot()
    headerBlockSlot = lastSlot
    streams[lastSlot].id = frame.hd.stream_id
    nghttp2_session_set_stream_user_data(session, frame.hd.stream_id, userData(lastSlot))
    return 0
  }

  @inline(__always)
  fileprivate func header(
    _ id: Int32, _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
  ) -> Int32 {
    // nghttp2 advertises the limit and does not enforce it.
    headerListSize += name.count + value.count + 32
    if headerListSize > configuration.maxHeaderListSize { return refuse(id, .enhanceYourCalm) }
    if role == .server, let slot = slot(id), !streams[slot].request.field(name, value) {
      return refuse(id, .protocolError)
    }
    tell { $0.headerReceived(name, value) }
    return 0
  }

  /// Resets a stream from within its header block; the rest of the block is decoded and dropped.
  private func refuse(_ id: Int32, _ code: HTTP2ErrorCode) -> Int32 {
    headerBlockSlot = -1
    nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, code.rawValue)
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
  }

  fileprivate func frameReceived(_ frame: UnsafePointer<nghttp2_frame>) {
    let header = frame.pointee.hd
    switch UInt32(header.type) {
    case NGHTTP2_HEADERS.rawValue: return messageFrame(header)
    case NGHTTP2_DATA.rawValue:
      let isEmpty = header.length == 0 && header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) == 0
      if !isEmpty { return messageFrame(header) }
    case NGHTTP2_RST_STREAM.rawValue: return resetReceived()
    case NGHTTP2_SETTINGS.rawValue: clock.handshakeDone()
    case NGHTTP2_PING.rawValue: ping(frame.pointee.ping)
    default: break
    }
    if role == .server, !idleFrames.spend(loop.now) {
      terminate(.enhanceYourCalm, "too many frames that ask for nothing")
    }
  }

  /// A reset costs us at most the call it ends; too many of them are an attack (CVE-2023-44487).
  func resetReceived() {
    if role == .server, !resets.spend(loop.now) { terminate(.enhanceYourCalm, "too many streams were reset") }
  }

  private func messageFrame(_ header: nghttp2_frame_hd) {
    guard let slot = slot(header.stream_id) else { return }
    let stream = HTTP2Stream(slot: slot, id: header.stream_id)
    let isEnd = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
    if role == .server, !isLawful(slot, isEnd: isEnd) {
      headerBlockSlot = -1
      return reset(stream, .protocolError)
    }
    if isEnd {
      streams[slot].remoteEnded = true
      streams[slot].needsNoWindow = true
    }
    if UInt32(header.type) == NGHTTP2_HEADERS.rawValue {
      headerBlockSlot = -1
      tell { $0.headersReceived(stream, endOfStream: isEnd) }
    }
    if isEnd, isOpen(stream) { tell { $0.endReceived(stream) } }
  }

  /// Whether a frame is valid at its place: the header block that it ends is a request, the body has its length.
  @inline(__always)
  private func isLawful(_ slot: Int, isEnd: Bool) -> Bool {
    if slot == headerBlockSlot, !streams[slot].request.isRequest() { return false }
    return !isEnd || streams[slot].request.isWhole
  }

  private func ping(_ frame: nghttp2_ping) {
    let isAnswer = frame.hd.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0
    if isAnswer {
      let mark = withUnsafeBytes(of: frame.opaque_data) { UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)) }
      if mark == configuration.keepaliveMark { clock.keepaliveAnswered() }
      if mark == configuration.drainMark, role == .server { finishDrain() }
    } else if role == .server, !pings.received(loop.now, hasStreams: activeStreams > 0) {
      terminate(.enhanceYourCalm, "too_many_pings")
    }
  }

  /// - Parameter isLast: the DATA frame ends the stream; it need not be whole yet.
  fileprivate func dataChunk(_ id: Int32, _ bytes: UnsafeRawBufferPointer, isLast: Bool) {
    guard let slot = slot(id) else {
      consumed += bytes.count
      return
    }
    if role == .server, !streams[slot].request.body(bytes.count) {
      consumed += bytes.count
      return reset(HTTP2Stream(slot: slot, id: id), .protocolError)
    }
    streams[slot].unconsumed += bytes.count
    streams[slot].needsNoWindow = isLast
    tell { $0.dataReceived(HTTP2Stream(slot: slot, id: id), bytes) }
  }

  fileprivate func frameSent(_ frame: UnsafePointer<nghttp2_frame>) {
    let header = frame.pointee.hd
    guard header.type == UInt8(NGHTTP2_HEADERS.rawValue) || header.type == UInt8(NGHTTP2_DATA.rawValue) else {
      switch UInt32(header.type) {
      case NGHTTP2_RST_STREAM.rawValue: resetSent(frame.pointee.rst_stream.error_code)
      case NGHTTP2_GOAWAY.rawValue: goawaySent(frame.pointee.goaway)
      default: break
      }
      return
    }
    pings.sentFrames()
    // The peer may answer with WINDOW_UPDATEs for the stream and the connection, and a PING to measure by.
    idleFrames.credit(4)
    guard role == .server, header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0,
      let slot = slot(header.stream_id), !streams[slot].remoteEnded
    else { return }
    // The response is complete and the client still sends: RST_STREAM tells it to stop, without an error.
    nghttp2_submit_rst_stream(
      session, UInt8(NGHTTP2_FLAG_NONE.rawValue), header.stream_id, NGHTTP2_NO_ERROR.rawValue)
  }

  /// Resets that a peer provokes cost as much as resets that it sends (CVE-2025-8671).
  private func resetSent(_ code: UInt32) {
    guard role == .server, code != NGHTTP2_NO_ERROR.rawValue, !provokedResets.spend(loop.now) else { return }
    terminate(.enhanceYourCalm, "too many streams that had to be reset")
  }

  /// The reason of a GOAWAY that nghttp2 sends.
  private func goawaySent(_ frame: nghttp2_goaway) {
    guard frame.error_code != NGHTTP2_NO_ERROR.rawValue, failure == nil else { return }
    let words = UnsafeBufferPointer(start: frame.opaque_data, count: frame.opaque_data_len)
    failure = "HTTP/2 error \(frame.error_code): \(String(decoding: words, as: UTF8.self))"
  }

  fileprivate func body(
    _ slot: Int, _ buffer: UnsafeMutablePointer<UInt8>, _ length: Int, _ flags: UnsafeMutablePointer<UInt32>
  ) -> Int {
    lastSlot = slot
    let waiting = streams[slot].outgoing.count
    let count = streams[slot].outgoing.take(UnsafeMutableRawBufferPointer(start: buffer, count: length))
    if count > 0 {
      queue(-count)
      taken += count
    }
    if count == waiting {
      switch streams[slot].finish {
      case .open where count == 0:
        streams[slot].isDeferred = true
        return Int(NGHTTP2_ERR_DEFERRED.rawValue)
      case .open: break
      case .endOfStream: flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
      case .trailers(let trailers):
        flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue | NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
        let id = streams[slot].id
        _ = trailers.withNameValues { list, count in nghttp2_submit_trailer(session, id, list, count) }
      }
    }
    if streams[slot].wantsWritable, waiting - count < Self.lowWater {
      streams[slot].wantsWritable = false
      let stream = HTTP2Stream(slot: slot, id: streams[slot].id)
      tell { $0.writable(stream) }
    }
    return count
  }
}
