internal import HTTP2
internal import Runtime
internal import Values

/// One call of the client: filled on the loop's thread, read by the caller's.
final class ClientCall: @unchecked Sendable {
  // @unchecked: what the caller reads is behind the monitor; the rest is touched on the loop's thread only.
  private struct State {
    var messages = MessageQueue()
    var waitingBytes = 0
    var initial = Metadata()
    var outcome: (status: GRPCStatus, trailers: Metadata)?
  }
  /// Flow control stops the server while more unread bytes than this wait for the caller.
  private static let highWater = 256 << 10

  private let connection: ClientConnection
  private let deadline: Instant
  private let state = Monitor(State())
  private var deframer: MessageDeframer
  private var hasInitial = false
  private var status: GRPCStatus?
  private var trailers = Metadata()
  // Set on the loop's thread before anything is received; `cancel` and `resume` read it there too.
  var stream = HTTP2Stream(slot: 0, id: 0)

  init(_ connection: ClientConnection, deadline: Instant, limit: Int) {
    self.connection = connection
    self.deadline = deadline
    deframer = MessageDeframer(limit: limit)
  }

  // MARK: The caller's thread

  var initialMetadata: Metadata { state.withLock { $0.initial } }

  /// The trailers, once the call has finished.
  var trailersReceived: Metadata { state.withLock { $0.outcome?.trailers ?? [:] } }

  /// The next message; nil when the call has finished with OK.
  func next() throws(GRPCStatus) -> [UInt8]? {
    var mustResume = false
    let outcome = state.wait(until: deadline) { state -> Result<[UInt8]?, GRPCStatus>? in
      if let message = state.messages.popFirst()?.bytes {
        mustResume = state.waitingBytes > Self.highWater
        state.waitingBytes -= message.count
        mustResume = mustResume && state.waitingBytes <= Self.highWater
        return .success(message)
      }
      guard let (status, _) = state.outcome else { return nil }
      return status.code == .ok ? .success(nil) : .failure(status)
    }
    if mustResume { connection.loop.execute { [self] in connection.resume(stream) } }
    guard let outcome else {
      cancel()
      throw GRPCStatus(.deadlineExceeded, "the deadline has passed")
    }
    return try outcome.get()
  }

  /// Cancels the call at the server.
  func cancel() {
    connection.loop.execute { [self] in connection.cancel(stream) }
  }

  // MARK: The loop's thread

  var takesMore: Bool { state.withLock { $0.waitingBytes <= Self.highWater } }

  func headersReceived(_ headers: HTTP2Headers) {
    let metadata = Self.metadata(headers)
    if let code = headers.first("grpc-status") {
      trailers = metadata
      status = Self.status(code, headers)
    } else if !hasInitial {
      if let httpStatus = headers.first(":status"), httpStatus != "200" {
        status = GRPCStatus(.unknown, "HTTP status \(httpStatus) instead of a gRPC answer")
      }
      state.withLock { $0.initial = metadata }
    }
    hasInitial = true
  }

  /// - Returns: the failure of the call; nil when it goes on.
  func dataReceived(_ bytes: UnsafeRawBufferPointer) -> GRPCStatus? {
    // The body of an HTTP error holds no messages.
    if status != nil { return nil }
    var rest = bytes
    do throws(MessageDeframer.Failure) {
      while let message = try deframer.next(&rest) {
        if message.isCompressed { return GRPCStatus(.internal, "a compressed message that was not asked for") }
        state.update { state in
          state.messages.append(message)
          state.waitingBytes += message.bytes.count
        }
      }
      return nil
    } catch {
      switch error {
      case .tooLong(let announced): return GRPCStatus(.resourceExhausted, "response message of \(announced) bytes")
      case .invalidFlag(let flag): return GRPCStatus(.internal, "message flag \(flag), expected 0 or 1")
      }
    }
  }

  func endReceived() {
    finish(status ?? GRPCStatus(.unknown, "the server ended the call without a status"), trailers)
  }

  func finish(_ status: GRPCStatus, _ trailers: Metadata) {
    state.update { state in
      if state.outcome == nil { state.outcome = (status, trailers) }
    }
  }

  private static func status(_ code: String, _ headers: HTTP2Headers) -> GRPCStatus {
    let message = headers.first("grpc-message").map { WireText.percentDecode($0.utf8) } ?? ""
    let details = headers.first("grpc-status-details-bin").flatMap { Base64.decode($0.utf8) }
    return GRPCStatus(Int(code).flatMap(GRPCCode.init(rawValue:)) ?? .unknown, message, details: details)
  }

  private static func metadata(_ headers: HTTP2Headers) -> Metadata {
    var metadata = Metadata()
    for index in 0..<headers.count {
      let name = headers.name(index)
      if name.first == UInt8(ascii: ":") || name.starts(with: "grpc-".utf8) || headers.nameEquals(index, "content-type")
      {
        continue
      }
      if name.suffix(4).elementsEqual("-bin".utf8) {
        if let bytes = Base64.decode(headers.value(index)) { metadata.append(name, bytes) }
      } else {
        metadata.append(name, headers.value(index))
      }
    }
    return metadata
  }
}
