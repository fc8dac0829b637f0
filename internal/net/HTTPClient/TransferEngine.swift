internal import CCurl
internal import Glibc
internal import Runtime
internal import Values

/// libcurl's multi handle on an event loop: it says which sockets to watch and when to be called
/// (https://curl.se/libcurl/c/curl_multi_socket_action.html).
///
/// Everything here runs on the loop's thread.
final class TransferEngine: @unchecked Sendable {
  // @unchecked: made on one thread before the loop starts, and touched on the loop's from then on.
  private let configuration: HTTPClientConfiguration
  private let loop: EventLoop
  private let multi: UnsafeMutableRawPointer
  private var transfers: [UnsafeMutableRawPointer: Transfer] = [:]
  private var sockets: [Int32: SocketSource] = [:]
  private var timer: EventLoopTimer?
  private var isStopped = false

  /// Once a process; libcurl has it that no other thread may be at work then, which a static's initializer cannot
  /// promise, but OpenSSL 3 and glibc no longer need.
  private static let isInitialized: Bool = curl_init_zeroing() == CURLE_OK

  init(_ configuration: HTTPClientConfiguration, _ loop: EventLoop) {
    precondition(Self.isInitialized, "libcurl has no memory to start with")
    guard let multi = curl_multi_init() else { preconditionFailure("libcurl has no memory to start with") }
    self.configuration = configuration
    self.loop = loop
    self.multi = multi
    let context = Unmanaged.passUnretained(self).toOpaque()
    // Unretained: the handle is freed with self.
    curl_multi_set_watch(multi, watchSocket)
    curl_multi_set_pointer(multi, CURLMOPT_SOCKETDATA, context)
    curl_multi_set_timer(multi, setTimer)
    curl_multi_set_pointer(multi, CURLMOPT_TIMERDATA, context)
    curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, configuration.idleConnections)
    curl_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_NOTHING))
  }

  deinit { curl_multi_cleanup(multi) }

  func start(_ request: HTTPClientRequest, deadline: Instant, _ completion: @escaping HTTPClient.Completion) {
    guard !isStopped else {
      return completion(.failure(HTTPClientError(.cancelled, "the HTTP client has stopped", nothingWasSent: true)))
    }
    let transfer: Transfer
    do throws(HTTPClientError) {
      transfer = try Transfer(request, configuration, deadline: deadline, completion)
    } catch {
      return completion(.failure(error))
    }
    transfers[transfer.handle] = transfer
    let result = curl_multi_add_handle(multi, transfer.handle)
    precondition(result == CURLM_OK, "libcurl takes no request: \(String(cString: curl_multi_strerror(result)))")
  }

  func stop() {
    isStopped = true
    for transfer in transfers.values {
      let wasSent = transfer.mayHaveBeenSent
      curl_multi_remove_handle(multi, transfer.handle)
      transfer.finish(HTTPClientError(.cancelled, "the HTTP client has stopped", nothingWasSent: !wasSent))
    }
    transfers = [:]
  }

  // MARK: - libcurl's wishes

  /// - Parameter what: CURL_POLL_….
  fileprivate func watch(_ descriptor: Int32, _ what: Int32) {
    if what == CURL_POLL_REMOVE {
      if let source = sockets.removeValue(forKey: descriptor) { loop.remove(source.id!) }  // set when it was added
      return
    }
    var interest: Readiness = []
    if what & CURL_POLL_IN != 0 { interest.insert(.readable) }
    if what & CURL_POLL_OUT != 0 { interest.insert(.writable) }
    if let source = sockets[descriptor] { return loop.update(source.id!, interest: interest) }  // set when it was added
    let source = SocketSource(descriptor, self)
    sockets[descriptor] = source
    source.id = loop.add(source, descriptor: descriptor, interest: interest)
  }

  fileprivate func schedule(_ milliseconds: Int) {
    if let timer { loop.cancel(timer) }
    timer = milliseconds < 0 ? nil : loop.schedule(at: .now() + .milliseconds(milliseconds), self)
  }

  fileprivate func act(_ descriptor: Int32, _ events: Int32) {
    var running: Int32 = 0
    curl_multi_socket_action(multi, descriptor, events, &running)
    finishDone()
  }

  private func finishDone() {
    var left: Int32 = 0
    while let message = curl_multi_info_read(multi, &left) {
      guard message.pointee.msg == CURLMSG_DONE, let handle = message.pointee.easy_handle else { continue }
      let result = message.pointee.data.result
      curl_multi_remove_handle(multi, handle)
      transfers.removeValue(forKey: handle)?.finish(result)
    }
  }
}

extension TransferEngine: EventLoopTimerTarget {
  func timerFired(_ token: UInt64) {
    timer = nil
    act(curl_socket_t(CURL_SOCKET_TIMEOUT), 0)
  }
}

/// A socket of libcurl's that the loop watches.
private final class SocketSource: EventSource {
  private let descriptor: Int32
  private unowned let engine: TransferEngine
  var id: EventSourceID?

  init(_ descriptor: Int32, _ engine: TransferEngine) {
    self.descriptor = descriptor
    self.engine = engine
  }

  func handle(_ readiness: Readiness) {
    var events: Int32 = 0
    if readiness.contains(.readable) { events |= CURL_CSELECT_IN }
    if readiness.contains(.writable) { events |= CURL_CSELECT_OUT }
    if !readiness.isDisjoint(with: .broken) { events |= CURL_CSELECT_ERR }
    engine.act(descriptor, events)
  }
}

/// CURLMOPT_SOCKETFUNCTION. File-scope functions, so that they inherit no actor.
private func watchSocket(
  _ easy: UnsafeMutableRawPointer?, _ descriptor: curl_socket_t, _ what: Int32, _ context: UnsafeMutableRawPointer?,
  _ socketContext: UnsafeMutableRawPointer?
) -> Int32 {
  guard let context else { return -1 }
  Unmanaged<TransferEngine>.fromOpaque(context).takeUnretainedValue().watch(descriptor, what)
  return 0
}

/// CURLMOPT_TIMERFUNCTION.
private func setTimer(
  _ multi: UnsafeMutableRawPointer?, _ milliseconds: Int, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  guard let context else { return -1 }
  Unmanaged<TransferEngine>.fromOpaque(context).takeUnretainedValue().schedule(milliseconds)
  return 0
}
