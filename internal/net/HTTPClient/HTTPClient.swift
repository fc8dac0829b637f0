internal import Glibc
public import Runtime
public import Values

/// A client of HTTP/1.1 on libcurl, with one thread for any number of requests.
///
/// Made for calls that must not be made twice: it follows no redirect, uses no proxy, keeps no cookie, and never sends
/// a request that may change something a second time, not even when a kept connection turns out to be dead. (GET and
/// HEAD are sent again then.) Its errors say whether anything was sent. Of bodies up to 4 KiB no copy stays behind:
/// what libcurl frees is zeroed.
/// `send` may be called on any thread. Completions must not block; they are called on the client's thread, or on the
/// caller's when the request is refused at once.
public final class HTTPClient: ServicePart {
  /// Gets the response, or why there is none; called once.
  public typealias Completion = @Sendable (Result<HTTPClientResponse, HTTPClientError>) -> Void

  private let configuration: HTTPClientConfiguration
  private let loop: EventLoop
  private let engine: TransferEngine
  private let load = Monitor(Load())

  private struct Load {
    var requests = 0
    /// By scheme, host and port, of those that have any.
    var byHost: [String: Int] = [:]
    var isStopped = false

    mutating func begin(_ host: String) {
      requests += 1
      byHost[host, default: 0] += 1
    }

    mutating func end(_ host: String) {
      requests -= 1
      byHost[host] = byHost[host].flatMap { $0 > 1 ? $0 - 1 : nil }
    }
  }

  /// Makes the client and starts its thread.
  public init(_ configuration: HTTPClientConfiguration) {
    self.configuration = configuration
    loop = EventLoop(name: "http-client")
    engine = TransferEngine(configuration, loop)
    loop.start()
  }

  deinit { stop() }

  /// The requests under way.
  public var requestsUnderWay: Int { load.withLock { $0.requests } }

  /// Sends a request.
  public func send(_ request: HTTPClientRequest, _ completion: @escaping Completion) {
    if let fault = request.fault {
      return completion(.failure(HTTPClientError(.invalidRequest, fault, nothingWasSent: true)))
    }
    let deadline = Instant.now() + request.timeout
    let host = request.authority
    let refusal = load.withLock { load -> HTTPClientError? in
      if load.isStopped { return HTTPClientError(.cancelled, "the HTTP client has stopped", nothingWasSent: true) }
      guard load.requests < configuration.maximumRequests else {
        return HTTPClientError(
          .overloaded, "\(configuration.maximumRequests) requests are under way", nothingWasSent: true)
      }
      guard load.byHost[host, default: 0] < configuration.maximumRequestsPerHost else {
        return HTTPClientError(
          .overloaded, "\(configuration.maximumRequestsPerHost) requests are under way to that host",
          nothingWasSent: true)
      }
      load.begin(host)
      // Under the lock, so that the end of the loop comes after every request that it was given.
      loop.execute { [self] in
        engine.start(request, deadline: deadline) { [self] result in
          self.load.update { $0.end(host) }
          completion(result)
        }
      }
      return nil
    }
    if let refusal { completion(.failure(refusal)) }
  }

  /// Takes no more requests, waits for those under way, fails what is left, and ends the thread. Not to be called in a
  /// completion.
  public func stop(until deadline: Instant = .now()) {
    let isFirst = load.withLock { load in
      defer { load.isStopped = true }
      return !load.isStopped
    }
    guard isFirst else { return }
    // The last completion may have let go of the client.
    let isOwnThread = loop.isCurrent
    if !isOwnThread { _ = load.wait(until: deadline) { $0.requests == 0 ? true : nil } }
    loop.execute { [engine, loop] in
      engine.stop()
      loop.stop()
    }
    if !isOwnThread { loop.join() }
  }
}
