internal import CMicrohttpd
internal import Glibc
internal import Runtime
internal import Values

/// A connection of the HTTP library; lives from its opening to its closing callback.
final class HTTPConnection: Sendable {
  let id: Int
  let peer: NetworkAddress
  /// Used by the session of TLS, which the library frees before the closing callback.
  private let credentials: CredentialsHandle?

  init(id: Int, peer: NetworkAddress, credentials: CredentialsHandle? = nil) {
    self.id = id
    self.peer = peer
    self.credentials = credentials
  }
}

/// A connection that is not served until it is resumed.
struct SuspendedConnection: @unchecked Sendable {
  // @unchecked: MHD_resume_connection may be called on any thread ("This function can be used in a thread-safe way"),
  // and a suspended connection is not freed. Whoever holds one resumes it once.
  fileprivate let connection: OpaquePointer

  /// In a callback for this connection.
  func suspend() { MHD_suspend_connection(connection) }
  func resume() { MHD_resume_connection(connection) }
}

/// The daemon of libmicrohttpd with its thread.
struct DaemonHandle: @unchecked Sendable {
  // @unchecked: the handle is used by the one caller of start and stop; the library locks what its thread shares.
  private let daemon: OpaquePointer
  private let context: Unmanaged<ServerCore>

  /// Starts the thread.
  /// - Parameters:
  ///   - socket: listens; closed by `stop` unless `quiesce` gave it back.
  /// - Returns: nil when the library does not start.
  init?(_ core: ServerCore, listeningOn socket: Int32) {
    let context = Unmanaged.passRetained(core)
    guard let daemon = Self.start(core.configuration, socket, context) else {
      context.release()
      return nil
    }
    self.daemon = daemon
    self.context = context
  }

  /// Accepts no more connections. The listening socket is the caller's from here on.
  func quiesce() -> Int32 { MHD_quiesce_daemon(daemon) }

  /// Closes every connection and ends the thread. None may be suspended.
  func stop() {
    MHD_stop_daemon(daemon)
    // Retained in init; the thread that used it has ended.
    context.release()
  }

  private static func start(
    _ configuration: HTTPServerConfiguration, _ socket: Int32, _ context: Unmanaged<ServerCore>
  ) -> OpaquePointer? {
    let completed: MHD_RequestCompletedCallback = noteCompletion
    let changed: MHD_NotifyConnectionCallback = noteConnection
    let target: TargetCallback = noteTarget
    let unescape: UnescapeCallback = leaveEscaped
    var options = [
      MHD_OptionItem(option: .LISTEN_SOCKET, value: Int(socket), ptr_value: nil),
      // Above ours, so that a new connection is taken in and pushes out an older one.
      MHD_OptionItem(option: .CONNECTION_LIMIT, value: configuration.maxConnections + 100, ptr_value: nil),
      MHD_OptionItem(
        option: .NOTIFY_COMPLETED, value: unsafeBitCast(completed, to: Int.self), ptr_value: context.toOpaque()),
      MHD_OptionItem(
        option: .NOTIFY_CONNECTION, value: unsafeBitCast(changed, to: Int.self), ptr_value: context.toOpaque()),
      MHD_OptionItem(option: .URI_LOG_CALLBACK, value: unsafeBitCast(target, to: Int.self), ptr_value: nil),
      MHD_OptionItem(option: .UNESCAPE_CALLBACK, value: unsafeBitCast(unescape, to: Int.self), ptr_value: nil),
      // A little more than we allow, so that most refusals are ours; with the head of the answer.
      MHD_OptionItem(
        option: .CONNECTION_MEMORY_LIMIT, value: configuration.maxTarget + configuration.maxHeaders + 6_144,
        ptr_value: nil),
      // We are stricter than its strictness, and its answers to what it refuses itself have their head twice.
      MHD_OptionItem(option: .STRICT_FOR_CLIENT, value: 0, ptr_value: nil),
    ]
    var flags = MHD_USE_EPOLL_INTERNAL_THREAD.rawValue | MHD_ALLOW_SUSPEND_RESUME.rawValue
    if configuration.tls != nil {
      flags |= MHD_USE_TLS.rawValue
      let choice: CertificateCallback = refuseCertificate
      options += [
        // The library's own credentials, which stay without a certificate: each connection gets ours when it opens.
        MHD_OptionItem(
          option: .HTTPS_CERT_CALLBACK, value: 0, ptr_value: unsafeBitCast(choice, to: UnsafeMutableRawPointer.self)),
        MHD_OptionItem(
          option: .HTTPS_PRIORITIES, value: 0, ptr_value: UnsafeMutableRawPointer(mutating: priorities.utf8Start)),
      ]
    }
    options.append(MHD_OptionItem(option: .END, value: 0, ptr_value: nil))
    return options.withUnsafeMutableBufferPointer { options in
      // The plain start function is variadic, which Swift cannot call; options are copied before it returns.
      let arguments: [any CVarArg] = [
        Int32(bitPattern: MHD_OPTION.ARRAY.rawValue), options.baseAddress!, Int32(bitPattern: MHD_OPTION.END.rawValue),
      ]
      return withVaList(arguments) { list in
        MHD_start_daemon_va(flags, 0, nil, nil, handleRequest, context.toOpaque(), list)
      }
    }
  }

  /// GnuTLS's words for TLS 1.2 and 1.3 with its own choice of ciphers.
  private static let priorities: StaticString = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
}

// The library's callbacks, which are no types of its own.
private typealias TargetCallback =
  @convention(c) (
    UnsafeMutableRawPointer?, UnsafePointer<CChar>?, OpaquePointer?
  ) -> UnsafeMutableRawPointer?
/// Of GnuTLS: gnutls_certificate_retrieve_function2.
private typealias CertificateCallback =
  @convention(c) (
    OpaquePointer?, UnsafeRawPointer?, Int32, UnsafeRawPointer?, Int32, UnsafeMutableRawPointer?,
    UnsafeMutablePointer<UInt32>?, UnsafeMutableRawPointer?
  ) -> Int32
private typealias UnescapeCallback =
  @convention(c) (
    UnsafeMutableRawPointer?, OpaquePointer?, UnsafeMutablePointer<CChar>?
  ) -> Int

// MARK: What the library calls on its thread. File-scope functions, so that they inherit no actor.

/// MHD_NotifyConnectionCallback.
private func noteConnection(
  _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
  _ kept: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ what: MHD_ConnectionNotificationCode
) {
  guard let context, let connection, let kept else { return }
  let core = Unmanaged<ServerCore>.fromOpaque(context).takeUnretainedValue()
  if what == .CONNECTION_NOTIFY_STARTED {
    let descriptor = mhd_connection_descriptor(connection)
    let (network, address) = PeerNetwork.of(descriptor)
    TCPSocket.watchPeer(descriptor)
    let credentials = core.configuration.tls?.current
    // Before the handshake. They live as long as the connection.
    if let credentials, let session = mhd_connection_tls(connection) { credentials.serve(OpaquePointer(session)) }
    let opened = HTTPConnection(
      id: core.connections.opened(descriptor, network), peer: address, credentials: credentials)
    kept.pointee = Unmanaged.passRetained(opened).toOpaque()
  } else if let pointer = kept.pointee {
    // Retained above; this is the connection's last callback.
    let closed = Unmanaged<HTTPConnection>.fromOpaque(pointer).takeRetainedValue()
    kept.pointee = nil
    core.connections.closed(closed.id)
  }
}

/// The callback of MHD_OPTION_URI_LOG_CALLBACK: the first line is there. What it returns stays with the request.
private func noteTarget(
  _ context: UnsafeMutableRawPointer?, _ target: UnsafePointer<CChar>?, _ connection: OpaquePointer?
) -> UnsafeMutableRawPointer? {
  guard let target, let connection, let pointer = mhd_connection_context(connection) else { return nil }
  // Retained until the connection is closed.
  let opened = Unmanaged<HTTPConnection>.fromOpaque(pointer).takeUnretainedValue()
  let length = strlen(target)
  let bytes = Array(UnsafeRawBufferPointer(start: target, count: length))
  let request = ServedRequest(opened, target: bytes, isPlain: mhd_target_is_whole(target, length) != 0)
  mhd_drop_query(target)
  return Unmanaged.passRetained(request).toOpaque()
}

/// The callback of MHD_OPTION_UNESCAPE_CALLBACK: we decode ourselves, and refuse what cannot be.
private func leaveEscaped(
  _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, _ text: UnsafeMutablePointer<CChar>?
) -> Int {
  text.map { strlen($0) } ?? 0
}

/// The callback of MHD_OPTION_HTTPS_CERT_CALLBACK: a session without credentials of ours has no certificate.
private func refuseCertificate(
  _ session: OpaquePointer?, _ authorities: UnsafeRawPointer?, _ authorityCount: Int32,
  _ algorithms: UnsafeRawPointer?, _ algorithmCount: Int32, _ certificates: UnsafeMutableRawPointer?,
  _ certificateCount: UnsafeMutablePointer<UInt32>?, _ key: UnsafeMutableRawPointer?
) -> Int32 { -1 }

/// MHD_RequestCompletedCallback, also called for requests that were broken off.
private func noteCompletion(
  _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
  _ state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ how: MHD_RequestTerminationCode
) {
  guard let context, let connection, let state, let pointer = state.pointee else { return }
  state.pointee = nil
  // Retained in noteTarget; this is the request's last callback.
  let request = Unmanaged<ServedRequest>.fromOpaque(pointer).takeRetainedValue()
  Unmanaged<ServerCore>.fromOpaque(context).takeUnretainedValue().finished(
    request, isAnswered: mhd_is_answered(connection) != 0)
}

/// MHD_AccessHandlerCallback: called for the head, for each piece of the body, at the end, and after each resumption.
private func handleRequest(
  _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, _ url: UnsafePointer<CChar>?,
  _ method: UnsafePointer<CChar>?, _ version: UnsafePointer<CChar>?, _ upload: UnsafePointer<CChar>?,
  _ uploadSize: UnsafeMutablePointer<Int>?, _ state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
  guard let context, let connection, let method, let version, let uploadSize, let pointer = state?.pointee else {
    return .NO
  }
  // Both are retained: until the daemon has stopped, and until the request is completed.
  let core = Unmanaged<ServerCore>.fromOpaque(context).takeUnretainedValue()
  let request = Unmanaged<ServedRequest>.fromOpaque(pointer).takeUnretainedValue()
  switch request.intake.step {
  case .head:
    guard let arrival = request.intake.arrival else { return .NO }
    var head = RequestHead(
      method: String(cString: method), target: arrival.target, version: String(cString: version),
      headers: HTTPHeaders(), isPlain: arrival.isPlain && mhd_head_is_plain(connection, method, version) != 0)
    withUnsafeMutablePointer(to: &head) { head in
      _ = MHD_get_connection_values_n(connection, .HEADER_KIND, takeField, head)
    }
    guard let answer = core.take(head, of: request) else { return .YES }
    request.intake.mustClose = true
    _ = request.answer(answer)
  case .body:
    if uploadSize.pointee > 0 {
      let piece = UnsafeRawBufferPointer(start: upload, count: uploadSize.pointee)
      uploadSize.pointee = 0
      return core.take(piece, of: request) ? .YES : .NO
    }
    core.serve(request)
  case .handling: break
  }
  let suspended = SuspendedConnection(connection: connection)
  guard let answer = request.takeAnswer(orSuspend: suspended) else { return .YES }
  return send(answer, to: request, core, on: connection)
}

/// MHD_KeyValueIteratorN.
private func takeField(
  _ context: UnsafeMutableRawPointer?, _ kind: MHD_ValueKind, _ name: UnsafePointer<CChar>?, _ nameSize: Int,
  _ value: UnsafePointer<CChar>?, _ valueSize: Int
) -> MHD_Result {
  guard let head = context?.assumingMemoryBound(to: RequestHead.self), let name, let value else { return .NO }
  head.pointee.headers.append(
    name: UnsafeRawBufferPointer(start: name, count: nameSize),
    value: UnsafeRawBufferPointer(start: value, count: valueSize))
  return .YES
}

// MARK: Answers

/// Hands an answer to the library.
private func send(
  _ answer: ServedRequest.Answer, to request: ServedRequest, _ core: ServerCore, on connection: OpaquePointer
) -> MHD_Result {
  guard let response = core.response(answer, to: request) else { return .NO }
  var stream: StreamBuffer?
  if case .stream(_, let buffer) = answer { stream = buffer }
  if request.intake.method == "HEAD" {
    // The library cannot know how long the body would be, and would wait for it.
    stream?.finish()
    stream = nil
  }
  let made = stream.map { makeStream($0, request, core, connection) } ?? makeResponse(response)
  guard let made else { return .NO }
  defer { MHD_destroy_response(made) }
  for field in response.fields where !addField(field, to: made) { core.leftOut(field.name) }
  if request.intake.mustClose || core.connections.isDraining {
    MHD_add_response_header(made, "Connection", "close")
  }
  core.answered(request, response, isStream: stream != nil)
  return MHD_queue_response(connection, UInt32(response.status), made)
}

private func addField(_ field: HTTPResponse.Field, to response: OpaquePointer) -> Bool {
  HTTPResponse.isValue(field.value) && MHD_add_response_header(response, field.name, field.value) == .YES
}

private func makeResponse(_ response: HTTPResponse) -> OpaquePointer? {
  var body = response.body
  return body.withUnsafeMutableBytes { bytes in
    MHD_create_response_from_buffer(bytes.count, bytes.baseAddress, .RESPMEM_MUST_COPY)
  }
}

/// What the library calls for the parts of a streamed answer.
private final class StreamSource: Sendable {
  let buffer: StreamBuffer
  let request: ServedRequest
  let core: ServerCore
  let connection: SuspendedConnection
  // Used on the daemon's thread only, until the library lets go of both.
  nonisolated(unsafe) var response: OpaquePointer?

  init(_ buffer: StreamBuffer, _ request: ServedRequest, _ core: ServerCore, _ connection: SuspendedConnection) {
    self.buffer = buffer
    self.request = request
    self.core = core
    self.connection = connection
  }
}

private func makeStream(
  _ buffer: StreamBuffer, _ request: ServedRequest, _ core: ServerCore, _ connection: OpaquePointer
) -> OpaquePointer? {
  let source = StreamSource(buffer, request, core, SuspendedConnection(connection: connection))
  let context = Unmanaged.passRetained(source)
  // The block is for HTTP/1.0 only.
  let made = MHD_create_response_from_callback(UInt64.max, 128, readStream, context.toOpaque(), releaseStream)
  source.response = made
  if made == nil { context.release() }
  return made
}

/// MHD_ContentReaderCallback.
private func readStream(
  _ context: UnsafeMutableRawPointer?, _ position: UInt64, _ target: UnsafeMutablePointer<CChar>?, _ size: Int
) -> Int {
  guard let context, let target else { return -2 }
  // Retained until releaseStream.
  let source = Unmanaged<StreamSource>.fromOpaque(context).takeUnretainedValue()
  let memory = UnsafeMutableRawBufferPointer(start: target, count: size)
  if let response = source.response.take() { mhd_forget_head(response) }
  switch source.buffer.next(memory, orSuspend: source.connection) {
  case .bytes(let count):
    source.core.streams(source.request, isWaiting: false)
    return count
  case .suspended:
    giveBack(memory)
    source.core.streams(source.request, isWaiting: true)
    return 0
  case .end: return -1  // MHD_CONTENT_READER_END_OF_STREAM
  case .broken: return -2  // MHD_CONTENT_READER_END_WITH_ERROR
  }
}

/// Gives the pages of the library's free memory back to the kernel, which has them zeroed when they are next written:
/// the library has touched all of it, and a stream may wait for long. Its own connection uses it; nobody else reads it.
private func giveBack(_ memory: UnsafeMutableRawBufferPointer) {
  guard let start = memory.baseAddress else { return }
  let page = UInt(getpagesize())
  let first = (UInt(bitPattern: start) + page - 1) / page * page
  let end = (UInt(bitPattern: start) + UInt(memory.count)) / page * page
  guard end > first else { return }
  madvise(UnsafeMutableRawPointer(bitPattern: first), Int(end - first), MADV_DONTNEED)
}

/// MHD_ContentReaderFreeCallback.
private func releaseStream(_ context: UnsafeMutableRawPointer?) {
  guard let context else { return }
  Unmanaged<StreamSource>.fromOpaque(context).release()
}
