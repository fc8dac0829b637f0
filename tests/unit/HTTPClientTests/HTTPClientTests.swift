import Glibc
import HTTPClient
import RawHTTP
import Runtime
import Testing
import Values

@Suite struct HTTPClientTests {
  static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"

  private func client(_ change: (inout HTTPClientConfiguration) -> Void = { _ in }) -> HTTPClient {
    var configuration = HTTPClientConfiguration(userAgent: "tests")
    change(&configuration)
    return HTTPClient(configuration)
  }

  private func send(_ request: HTTPClientRequest, _ client: HTTPClient) async -> Result<
    HTTPClientResponse, HTTPClientError
  > {
    await withCheckedContinuation { continuation in client.send(request) { continuation.resume(returning: $0) } }
  }

  private func error(_ request: HTTPClientRequest, _ client: HTTPClient) async throws -> HTTPClientError {
    let result = await send(request, client)
    return try #require(throws: HTTPClientError.self) { try result.get() }
  }

  /// Keeps its bytes where it wants to.
  private final class SplitBody: HTTPClientBody {
    private let bytes = [UInt8](repeating: UInt8(ascii: "x"), count: 100_000)
    var count: Int { bytes.count }
    func withBytes(_ body: (RawSpan) -> Void) { bytes.withBytes(body) }
  }

  @Test func `a body comes from wherever it is kept, whole`() async throws {
    let server = RawServer { _, _, _ in .bytes(Self.ok) }
    defer { server.stop() }
    let client = client()
    defer { client.stop() }
    let request = HTTPClientRequest("POST", server.url, body: SplitBody(), timeout: .seconds(20))
    #expect(try await send(request, client).get().status == 200)
    #expect(server.requests[0].hasSuffix("\r\n\r\n" + String(repeating: "x", count: 100_000)))
  }

  private func post(_ url: String, _ body: String? = "{\"a\":1}", timeout: Duration = .seconds(10)) -> HTTPClientRequest
  {
    HTTPClientRequest(
      "POST", url, headers: [("Content-Type", "application/json")], body: body.map { Array($0.utf8) }, timeout: timeout)
  }

  @Test func `a request goes out as it is, and its connection is used again`() async throws {
    let server = RawServer { _, _, _ in .bytes(Self.ok) }
    defer { server.stop() }
    // Other tests may keep this one waiting.
    let client = client {
      $0.idleTime = .seconds(600)
      $0.maximumAge = .seconds(600)
    }
    defer { client.stop() }
    for _ in 0..<3 {
      let response = try await send(post(server.url + "payment?x=1"), client).get()
      #expect(response.status == 200 && response.body == Array("{}".utf8))
      #expect(response.header("content-TYPE") == "application/json")
    }
    #expect(server.connections == 1)
    let lines = server.requests[0].split(separator: "\r\n", omittingEmptySubsequences: false)
    #expect(
      lines == [
        "POST /payment?x=1 HTTP/1.1", "Host: 127.0.0.1:\(server.port)", "Content-Length: 7",
        "Content-Type: application/json", "User-Agent: tests", "", "{\"a\":1}",
      ]
        || lines.sorted() == [
          "", "Content-Length: 7", "Content-Type: application/json", "Host: 127.0.0.1:\(server.port)",
          "POST /payment?x=1 HTTP/1.1", "User-Agent: tests", "{\"a\":1}",
        ], "\(lines)")
    #expect(client.requestsUnderWay == 0)
  }

  /// libcurl by itself would send it again on a new connection: a second charge.
  @Test(arguments: ["{\"a\":1}", nil, ""])
  func `a request on a kept connection that dies is not sent again`(body: String?) async throws {
    let server = RawServer { request, _, _ in request.hasPrefix("GET") ? .bytes(Self.ok) : .close }
    defer { server.stop() }
    let client = client()
    defer { client.stop() }
    _ = try await send(HTTPClientRequest("GET", server.url, timeout: .seconds(5)), client).get()
    let failure = try await error(post(server.url, body), client)
    #expect(failure.code == .connectionLost && !failure.nothingWasSent && !failure.isRetryable)
    #expect(server.requests.count { $0.hasPrefix("POST") } == 1)
  }

  private struct NeverSo: Error {}

  /// Waits until it is so; tests beside this one may take a minute.
  private func poll(_ isSo: () -> Bool) async throws {
    let deadline = Instant.now() + .seconds(60)
    while !isSo() {
      guard Instant.now() < deadline else { throw NeverSo() }
      try await Task.sleep(for: .milliseconds(1))
    }
  }

  @Test func `a connection that ended while it was idle is replaced without a word`() async throws {
    let server = RawServer { _, connection, _ in connection == 1 ? .last(Self.ok) : .bytes(Self.ok) }
    defer { server.stop() }
    let client = client()
    defer { client.stop() }
    _ = try await send(post(server.url), client).get()
    try await poll { server.openConnections == 0 }
    _ = try await send(post(server.url), client).get()
    #expect(server.requests.count == 2 && server.connections == 2)
  }

  @Test func `nobody listening means that nothing was sent`() async throws {
    let server = RawServer { _, _, _ in .close }
    server.stop()
    let client = client()
    defer { client.stop() }
    var failure = try await error(post(server.url), client)
    while failure.code == .connectionLost { failure = try await error(post(server.url), client) }
    #expect(failure.code == .connectionFailed && failure.nothingWasSent && failure.isRetryable)
    failure = try await error(post("http://no.such.host.invalid/"), client)
    #expect(failure.code == .unknownHost && failure.nothingWasSent)
  }

  @Test func `a handshake that fails means that nothing was sent`() async throws {
    let server = RawServer { _, _, _ in .close }
    defer { server.stop() }
    let client = client { $0.connectTimeout = .milliseconds(300) }
    defer { client.stop() }
    // A server that does not answer the handshake.
    let failure = try await error(post("https://127.0.0.1:\(server.port)/"), client)
    #expect((failure.code == .tls || failure.code == .timedOut) && failure.nothingWasSent)
    #expect(server.requests.isEmpty)
  }

  @Test(arguments: [
    (RawServer.Reply.silence, HTTPClientError.Code.timedOut), (.drip(ok, milliseconds: 100), .timedOut),
    (.close, .connectionLost), (.last("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), .connectionLost),
    (.last("hello\r\n"), .connectionLost), (.last("SSH-2.0-x\r\n\r\n"), .connectionLost),
    (
      .bytes("HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + String(repeating: "x", count: 70_000)),
      .responseTooLarge
    ),
    (.bytes("HTTP/1.1 200 OK\r\nX: " + String(repeating: "x", count: 20_000) + "\r\n\r\n"), .responseTooLarge),
    (.bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), .connectionLost),
    (.bytes("HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"), .invalidResponse),
  ])
  func `an answer that is none says what is wrong, and that something was sent`(
    reply: RawServer.Reply, code: HTTPClientError.Code
  ) async throws {
    let server = RawServer { _, _, _ in reply }
    defer { server.stop() }
    let client = client()
    defer { client.stop() }
    let failure = try await error(post(server.url, timeout: .milliseconds(800)), client)
    #expect((failure.code == code || failure.code == .invalidResponse) && !failure.nothingWasSent, "\(failure)")
    #expect(server.requests.count == 1)
  }

  @Test func `a redirect is an answer, and a proxy of the environment is not asked`() async {
    // In a process of its own: other tests have clients that do ask the environment.
    await #expect(processExitsWith: .success) {
      setenv("http_proxy", "http://127.0.0.1:1", 1)
      setenv("all_proxy", "http://127.0.0.1:1", 1)
      let server = RawServer { _, _, _ in
        .bytes("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
      }
      defer { server.stop() }
      let tests = HTTPClientTests()
      let client = tests.client()
      defer { client.stop() }
      let status = try? await tests.send(tests.post(server.url), client).get().status
      #expect(status == 302)
    }
  }

  @Test func `an interim response is passed over`() async throws {
    let server = RawServer { _, _, _ in .bytes("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + Self.ok) }
    defer { server.stop() }
    let client = client()
    defer { client.stop() }
    let response = try await send(post(server.url), client).get()
    #expect(response.status == 200 && response.header("Link") == nil)
  }

  @Test func `addresses inside are refused after the name is resolved`() async throws {
    let server = RawServer { _, _, _ in .bytes(Self.ok) }
    defer { server.stop() }
    let guarded = client { $0.addresses = .publicInternet() }
    defer { guarded.stop() }
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "2130706433"] {
      let failure = try await error(post("http://\(host):\(server.port)/"), guarded)
      #expect(failure.code == .refusedAddress && failure.nothingWasSent && !failure.isRetryable, "\(host)")
    }
    #expect(server.connections == 0)
    let opened = client { $0.addresses = .publicInternet(besides: [IPNetwork("127.0.0.0/8")!]) }
    defer { opened.stop() }
    #expect(try await send(post(server.url), opened).get().status == 200)
  }

  @Test func `a stop fails what is under way, and a full client refuses`() async throws {
    let server = RawServer { _, _, _ in .silence }
    defer { server.stop() }
    let client = client { $0.maximumRequests = 1 }
    async let waiting = error(post(server.url), client)
    try await poll { !server.requests.isEmpty }
    let refused = try await error(post(server.url), client)
    #expect(refused.code == .overloaded && refused.nothingWasSent)
    client.stop()
    let failure = try await waiting
    #expect(failure.code == .cancelled && !failure.nothingWasSent)
    #expect(try await error(post(server.url), client).code == .cancelled)
    client.stop()
  }

  @Test func `a stop waits for what is under way`() async throws {
    let mayAnswer = Monitor(false)
    let server = RawServer { _, _, _ in
      _ = mayAnswer.wait(until: .now() + .seconds(60)) { $0 ? true : nil }
      return .bytes(Self.ok)
    }
    defer { server.stop() }
    let client = client()
    async let waiting = send(post(server.url, timeout: .seconds(60)), client).get().status
    try await poll { !server.requests.isEmpty }
    let stopping = WorkerThread(name: "stopping") { client.stop(until: .now() + .seconds(60)) }
    var refusal: HTTPClientError?
    while refusal?.code != .cancelled { refusal = await send(post(server.url, timeout: .zero), client).failure }
    mayAnswer.update { $0 = true }
    #expect(try await waiting == 200)
    stopping.join()
  }

  @Test func `no byte is sent when it is too late to begin`() async throws {
    let server = RawServer { _, _, _ in .bytes(Self.ok) }
    defer { server.stop() }
    let client = client()
    defer { client.stop() }
    var request = post(server.url)
    request.sendBy = .now() - .milliseconds(1)
    var failure = try await error(request, client)
    #expect(failure.code == .tooLate && failure.nothingWasSent && server.connections == 0)
    request.sendBy = .now() + .seconds(30)
    #expect(try await send(request, client).get().status == 200)
    // A handshake that nobody answers takes the time that there was.
    var slow = post("https://127.0.0.1:\(server.port)/", timeout: .seconds(60))
    slow.sendBy = .now() + .milliseconds(200)
    failure = try await error(slow, client)
    #expect(failure.code == .timedOut && failure.nothingWasSent)
  }

  /// A process that is stopped at the worst moment: the connection is ready, the time is over.
  @Test(arguments: [0, 1])
  func `a connection that is ready too late is not used`(kept: Int) async throws {
    let server = RawServer { _, _, _ in .bytes(Self.ok) }
    defer { server.stop() }
    let client = client()
    defer { client.stop() }
    for _ in 0..<kept { _ = try await send(post(server.url), client).get() }
    // The client's thread takes the request, and is then kept busy by a completion until the time is over.
    let isBusy = Monitor(false)
    let mayGoOn = Monitor(false)
    client.send(HTTPClientRequest("GET", server.url, timeout: .zero)) { _ in
      isBusy.update { $0 = true }
      _ = mayGoOn.wait(until: .now() + .seconds(120)) { $0 ? true : nil }
    }
    try await poll { isBusy.withLock { $0 } }
    var request = post(server.url)
    request.sendBy = .now() + .milliseconds(300)
    let late = request.sendBy
    async let failing = error(request, client)
    try await poll { client.requestsUnderWay > 0 }
    client.send(HTTPClientRequest("GET", server.url, timeout: .zero)) { _ in
      while Instant.now() <= late { usleep(1_000) }
    }
    mayGoOn.update { $0 = true }
    let failure = try await failing
    #expect(failure.code == .tooLate && failure.nothingWasSent, "\(failure)")
    #expect(server.requests.count == kept)
  }

  @Test func `a host that does not answer leaves room for others`() async throws {
    let silent = RawServer { _, _, _ in .silence }
    let server = RawServer { _, _, _ in .bytes(Self.ok) }
    defer {
      silent.stop()
      server.stop()
    }
    let client = client { $0.maximumRequestsPerHost = 2 }
    async let first = error(post(silent.url, timeout: .seconds(60)), client)
    async let second = error(post(silent.url + "a?b", timeout: .seconds(60)), client)
    try await poll { silent.requests.count == 2 }
    #expect(try await error(post(silent.url), client).code == .overloaded)
    #expect(try await send(post(server.url), client).get().status == 200)
    client.stop()
    #expect(try await [first.code, second.code] == [.cancelled, .cancelled])
    #expect(client.requestsUnderWay == 0)
  }

  @Test(arguments: [
    HTTPClientRequest("get", "http://h/", timeout: .seconds(1)),
    HTTPClientRequest("GET", "ftp://h/", timeout: .seconds(1)),
    HTTPClientRequest("GET", "http://u:p@h/", timeout: .seconds(1)),
    HTTPClientRequest("GET", "http://@h/", timeout: .seconds(1)),
    HTTPClientRequest("GET", "http://u@\u{301}h/", timeout: .seconds(1)),
    HTTPClientRequest("GET", "http://h/\r\nX: y", timeout: .seconds(1)),
    HTTPClientRequest("GET", "http://h/", headers: [("Content-Length", "1")], timeout: .seconds(1)),
    HTTPClientRequest("GET", "http://h/", headers: [("X", "a\r\nY: b")], timeout: .seconds(1)),
    HTTPClientRequest("GET", "http://h/", headers: [("X Y", "a")], timeout: .seconds(1)),
  ])
  func `what cannot be sent is refused with its fault`(request: HTTPClientRequest) async throws {
    let client = client()
    defer { client.stop() }
    let failure = try await error(request, client)
    #expect(failure.code == .invalidRequest && failure.nothingWasSent)
  }

  @Test func `many requests are under way at once`() async throws {
    let arrived = Monitor(0)
    let server = RawServer { _, _, _ in
      arrived.update { $0 += 1 }
      // None is answered before all are there.
      _ = arrived.wait(until: .now() + .seconds(60)) { $0 == 200 ? true : nil }
      return .bytes(Self.ok)
    }
    defer { server.stop() }
    let client = client()
    defer { client.stop() }
    let statuses = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<200 {
        group.addTask { (try? await send(post(server.url, timeout: .seconds(60)), client).get().status) ?? 0 }
      }
      return await group.reduce(into: [Int]()) { $0.append($1) }
    }
    #expect(statuses == Array(repeating: 200, count: 200))
    #expect(server.connections == 200)
  }
}

extension Result {
  fileprivate var failure: Failure? {
    guard case .failure(let failure) = self else { return nil }
    return failure
  }
}
