internal import CLibpq
internal import Glibc
internal import Runtime
internal import Values

/// The one owner of a `PGconn`: non-blocking, in pipeline mode, waited for with poll(2). One thread at a time.
struct ConnectionHandle: ~Copyable {
  /// Nil once closed.
  private(set) var pointer: OpaquePointer?
  private let notices = Notices()

  deinit {
    if let pointer { PQfinish(pointer) }
  }

  mutating func close() {
    if let pointer { PQfinish(pointer) }
    pointer = nil
  }

  /// Connects; blocks the calling thread until `deadline` at most, name resolution aside.
  init(_ target: ConnectionTarget, stop: StopFlag?, until deadline: Instant) throws(DatabaseError) {
    pointer = startConnecting(target.keywords)
    guard let pointer else { throw DatabaseError(.connectionFailed, "no memory for a database connection") }
    var status = PQstatus(pointer) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING
    while status != PGRES_POLLING_OK {
      if status == PGRES_POLLING_FAILED { throw DatabaseError(.connectionFailed, lastMessage) }
      let isReading = status == PGRES_POLLING_READING
      switch waitForSocket(PQsocket(pointer), read: isReading, write: !isReading, stop: stop, until: deadline) {
      case .ready: status = PQconnectPoll(pointer)
      case .timedOut: throw DatabaseError(.connectionFailed, "\(target.name): no answer within the time allowed")
      case .stopped: throw DatabaseError(.closed, "stopped while connecting to the database")
      }
    }
    // Not retained: libpq calls it only from functions that are given this connection, which `notices` outlives.
    PQsetNoticeReceiver(pointer, takeNotice, Unmanaged.passUnretained(notices).toOpaque())
    guard PQsetnonblocking(pointer, 1) == 0, PQenterPipelineMode(pointer) == 1 else {
      throw DatabaseError(.connectionFailed, lastMessage)
    }
  }

  /// libpq's last message on one line; it names host, port, user and database, never the password.
  var lastMessage: String {
    guard let pointer, let text = PQerrorMessage(pointer) else { return "the database connection is closed" }
    let lines = String(cString: text).split(whereSeparator: \.isNewline)
    return lines.isEmpty ? "the database connection failed" : lines.joined(separator: "; ")
  }

  var isOpen: Bool { pointer.map { PQstatus($0) == CONNECTION_OK } ?? false }
  var transactionStatus: PGTransactionStatusType { pointer.map { PQtransactionStatus($0) } ?? PQTRANS_UNKNOWN }
  var serverVersion: Int32 { pointer.map { PQserverVersion($0) } ?? 0 }
  var backendID: Int32 { pointer.map { PQbackendPID($0) } ?? 0 }

  /// Why the server takes no writes, as far as it has said so unasked (PostgreSQL 14 and later); nil when it takes
  /// them, or when it, or a pooler in front of it, says nothing.
  var refusalToWrite: String? {
    if status("in_hot_standby") == "on" { return "it is a standby" }
    if status("default_transaction_read_only") == "on" { return "default_transaction_read_only is on" }
    return nil
  }

  /// Whether the server says by itself whether it takes writes.
  var saysWhetherItTakesWrites: Bool { status("in_hot_standby") != nil }

  private func status(_ name: String) -> String? {
    pointer.flatMap { PQparameterStatus($0, name) }.map { String(cString: $0) }
  }

  /// Whether the wait for a synchronous standby was cancelled during a COMMIT: its effects are there, and would be lost
  /// by a failover.
  var hasUnconfirmedCommit: Bool { notices.hasUnconfirmedCommit }

  /// Asks the server to end what it runs for this connection; blocks for `Cancellation.patience` at most.
  func cancel() -> Cancellation.Outcome {
    pointer.map(Cancellation.send) ?? .failed("the connection is closed")
  }

  /// Whether all that was queued has left; nil when the connection failed.
  func flush() -> Bool? {
    switch PQflush(pointer) {
    case 0: true
    case 1: false
    default: nil
    }
  }

  /// Takes in what has arrived. - Returns: false when the connection failed.
  func consumeInput() -> Bool { PQconsumeInput(pointer) == 1 }

  func wait(toWrite: Bool, stop: StopFlag? = nil, until deadline: Instant) -> SocketWait {
    guard let pointer, PQsocket(pointer) >= 0 else { return .ready }
    // OpenSSL may hold bytes that poll(2) does not see, so with TLS the wait is looked into every 10 ms.
    let isEncrypted = PQsslInUse(pointer) == 1
    let limit = isEncrypted ? min(deadline, Instant.now() + .milliseconds(10)) : deadline
    let outcome = waitForSocket(PQsocket(pointer), read: true, write: toWrite, stop: stop, until: limit)
    return outcome == .timedOut && limit < deadline ? .ready : outcome
  }

  /// Whether the server has not hung up, judged by what has already arrived; does not block.
  func looksAlive() -> Bool {
    guard let pointer, isOpen else { return false }
    let past = Instant(nanoseconds: 0)
    // A farewell and the end of the stream are read in separate steps.
    for _ in 0..<4 where waitForSocket(PQsocket(pointer), read: true, write: false, stop: nil, until: past) == .ready {
      guard PQconsumeInput(pointer) == 1, PQisBusy(pointer) == 0, isOpen else { return false }
    }
    return true
  }

  func takeNotification() -> (channel: String, payload: String)? {
    guard let pointer, let notification = PQnotifies(pointer) else { return nil }
    defer { PQfreemem(notification) }
    return (String(cString: notification.pointee.relname), String(cString: notification.pointee.extra))
  }
}

private func startConnecting(_ keywords: [(name: String, value: String)]) -> OpaquePointer? {
  let names = keywords.map { strdup($0.name) }
  let values = keywords.map { strdup($0.value) }
  defer { for text in names + values { free(text) } }
  let nameList = names.map { UnsafePointer<CChar>($0) } + [nil]
  let valueList = values.map { UnsafePointer<CChar>($0) } + [nil]
  return PQconnectStartParams(nameList, valueList, 0)
}

/// What a connection's notices said.
private final class Notices {
  var hasUnconfirmedCommit = false
}

/// Notices may hold data and go nowhere (libpq would print them), but for one: PostgreSQL answers a COMMIT with success
/// when its wait for a synchronous standby was cancelled, and says so in a warning that has no SQLSTATE of its own. Its
/// words are translated, the name of the function that gave it is not (syncrep.c).
private func takeNotice(_ context: UnsafeMutableRawPointer?, _ result: OpaquePointer?) {
  guard let context, let function = PQresultErrorField(result, Int32(ErrorField.function.rawValue)),
    String(cString: function) == "SyncRepWaitForLSN"
  else { return }
  Unmanaged<Notices>.fromOpaque(context).takeUnretainedValue().hasUnconfirmedCommit = true
}
