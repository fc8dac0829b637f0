import Errors
import Foundation
import FoundationNetworking
import HTTPServer
import Logger
import Metrics
import Runtime
import Synchronization
import Testing
import Values

@testable import Admin

@Suite struct AdminServerTests {
  private final class Readiness: Sendable {
    let report = Mutex(ReadinessReport([]))
  }

  private let facts = ProgramFacts(
    program: "payments-<test>", version: "1.2.3", commit: "0a1b2c", instance: "h:1:x",
    started: Timestamp(microseconds: 1_000_000))

  /// A server on a free port for the time of `body`.
  private func serving(
    host: String = "127.0.0.1", pages: [AdminPage] = [],
    _ body: (Int, MetricsRegistry, Readiness) async throws -> Void
  ) async throws {
    let (registry, readiness) = (MetricsRegistry(), Readiness())
    let server = AdminServer(
      address: NetworkAddress(host: host, port: 0), facts: facts, registry: registry,
      readiness: { readiness.report.withLock { $0 } }, pages: pages, logger: Logger(label: "admin", level: .error))
    try server.start()
    defer { server.stop() }
    try await body(Int(try #require(server.boundPort)), registry, readiness)
  }

  private func ask(
    _ port: Int, _ path: String, method: String = "GET"
  ) async throws -> (status: Int, headers: [String: String], body: String) {
    var request = URLRequest(url: URL(string: "http://127.0.0.1:\(port)\(path)")!)
    request.httpMethod = method
    let (data, response) = try await URLSession.shared.data(for: request)
    let http = try #require(response as? HTTPURLResponse)
    var headers: [String: String] = [:]
    for (name, value) in http.allHeaderFields { headers["\(name)".lowercased()] = "\(value)" }
    return (http.statusCode, headers, String(decoding: data, as: UTF8.self))
  }

  @Test func tellsThatItLives() async throws {
    try await serving { port, _, _ in
      let answer = try await ask(port, "/healthz?verbose=1")
      #expect(answer.status == 200 && answer.body == "{\"status\":\"ok\"}\n")
      #expect(answer.headers["content-type"] == "application/json")
      let head = try await ask(port, "/healthz", method: "HEAD")
      #expect(head.status == 200 && head.body.isEmpty)
    }
  }

  @Test func tellsWhetherItIsReadyAndWhyNot() async throws {
    try await serving { port, _, readiness in
      readiness.report.withLock { $0 = ReadinessReport([.init("postgres", isReady: true)]) }
      var answer = try await ask(port, "/readyz")
      #expect(answer.status == 200)
      #expect(answer.body == "{\"status\":\"ready\",\"checks\":{\"postgres\":{\"ok\":true,\"detail\":\"\"}}}\n")

      readiness.report.withLock {
        $0 = ReadinessReport([
          .init("postgres", isReady: false, detail: "said \"no\""), .init("kafka", isReady: true),
        ])
      }
      answer = try await ask(port, "/readyz")
      #expect(answer.status == 503)
      let expected =
        #"{"status":"not ready","checks":{"postgres":{"ok":false,"detail":"said \"no\""},"#
        + #""kafka":{"ok":true,"detail":""}}}"# + "\n"
      #expect(answer.body == expected)

      readiness.report.withLock { $0 = ReadinessReport([], isServing: false) }
      #expect(try await ask(port, "/readyz").status == 503)
    }
  }

  @Test func aLoadBalancerOfTheAPIHearsOfWhatCallsNeedOnly() async throws {
    try await serving { port, _, readiness in
      func report(postgres: Bool, kafka: Bool, isServing: Bool = true, needed: Set<String>? = ["postgres"]) {
        readiness.report.withLock {
          $0 = ReadinessReport(
            [.init("postgres", isReady: postgres), .init("kafka", isReady: kafka)], isServing: isServing,
            neededForAPI: needed)
        }
      }
      report(postgres: true, kafka: false)
      #expect(try await ask(port, "/readyz").status == 503)
      let answer = try await ask(port, "/readyz/api")
      #expect(answer.status == 200)
      #expect(answer.body == "{\"status\":\"ready\",\"checks\":{\"postgres\":{\"ok\":true,\"detail\":\"\"}}}\n")
      report(postgres: false, kafka: true)
      #expect(try await ask(port, "/readyz/api").status == 503)
      report(postgres: true, kafka: true, isServing: false)
      #expect(try await ask(port, "/readyz/api").status == 503)
      report(postgres: true, kafka: true, needed: nil)
      #expect(try await ask(port, "/readyz/api").status == 404)
    }
  }

  @Test func tellsVersionAndCommit() async throws {
    try await serving { port, _, _ in
      let answer = try await ask(port, "/version")
      #expect(answer.status == 200 && answer.headers["content-type"] == "application/json")
      let expected =
        #"{"program":"payments-<test>","version":"1.2.3","commit":"0a1b2c","instance":"h:1:x","#
        + #""started":"1970-01-01T00:00:01.000000Z"}"# + "\n"
      #expect(answer.body == expected)
    }
  }

  @Test func itsFrontPageShowsTheProgramWithItsStateAndAllPages() async throws {
    let page = AdminPage("/orders", title: "all <orders>", showsData: false) { _, exchange in
      exchange.respond(.text(200, "none\n"))
    }
    try await serving(pages: [page]) { port, _, readiness in
      readiness.report.withLock { $0 = ReadinessReport([.init("kafka", isReady: false, detail: "away & \"gone\"")]) }
      let answer = try await ask(port, "/")
      #expect(answer.status == 200 && answer.headers["content-type"] == "text/html; charset=utf-8")
      for text in [
        "<h1>payments-&lt;test&gt;</h1>", "1.2.3", "0a1b2c", "h:1:x", "1970-01-01T00:00:01.000000Z",
        "away &amp; &quot;gone&quot;", "href=\"/metrics\"", "href=\"/orders\">/orders</a>: all &lt;orders&gt;",
      ] { #expect(answer.body.contains(text), "\(text) is missing") }
      readiness.report.withLock { $0 = ReadinessReport([.init("kafka", isReady: true)]) }
      #expect(try await ask(port, "/").body.contains("<tr><th>kafka</th><td>ready</td></tr>"))
    }
  }

  @Test(arguments: ["127.0.0.1", "0.0.0.0"]) func pagesThatShowDataNeedATokenBeyondLoopback(host: String) async throws {
    let shown = AdminPage("/trace", title: "a payment", showsData: true) { request, exchange in
      exchange.respond(.text(200, "order \(request.query["order"] ?? "none")"))
    }
    try await serving(host: host, pages: [shown]) { port, _, _ in
      let answer = try await ask(port, "/trace?order=111")
      #expect(answer.status == (host == "0.0.0.0" ? 403 : 200))
      #expect(answer.body.contains("order 111") == (host == "127.0.0.1"))
      #expect(try await ask(port, "/version").status == 200)
    }
  }

  @Test func aPageOfStoriesAnswersTwoAtATime() async throws {
    let (asked, isHeld) = (Monitor(0), Monitor(false))
    let stories = StoryPage(
      title: "a thing", questions: "name=TEXT", read: { $0 == "name" && !$1.isEmpty ? $1 : nil },
      answer: { name in
        asked.update { $0 += 1 }
        _ = isHeld.wait(until: .now() + .seconds(20)) { $0 ? nil : true }
        switch name {
        case "nobody": return .missing("there is no such thing")
        case "away": return .unavailable("the database is away")
        default: return .told(JSONWriter.object { $0.add("name", name) })
        }
      })
    try await serving(pages: [stories.page]) { port, _, _ in
      let told = try await ask(port, "/trace?name=a%20b")
      #expect(told.status == 200 && told.body == #"{"name":"a b"}"# + "\n")
      #expect(told.headers["cache-control"] == "no-store")
      for (query, status) in [
        ("?name=nobody", 404), ("?name=away", 503), ("", 400), ("?name=", 400), ("?other=a", 400),
        ("?name=a&name=b", 400),
      ] { #expect(try await ask(port, "/trace\(query)").status == status, "\(query)") }
      asked.update { $0 = 0 }
      isHeld.update { $0 = true }
      async let first = ask(port, "/trace?name=a")
      async let second = ask(port, "/trace?name=b")
      let deadline = Instant.now() + .seconds(20)
      while asked.withLock({ $0 < 2 }), Instant.now() < deadline { try await Task.sleep(for: .milliseconds(1)) }
      let third = try await ask(port, "/trace?name=c")
      #expect(third.status == 503 && third.body.contains("others are looking just now"))
      isHeld.update { $0 = false }
      #expect(try await [first.status, second.status] == [200, 200])
    }
  }

  @Test func servesMetrics() async throws {
    try await serving { port, registry, _ in
      registry.counter("things_total", help: "Things.").add(3)
      let answer = try await ask(port, "/metrics")
      #expect(answer.status == 200)
      #expect(answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
      #expect(answer.body.contains("\nthings_total 3\n"))
    }
  }

  @Test func refusesOtherPathsAndMethods() async throws {
    try await serving { port, _, _ in
      let unknown = try await ask(port, "/secret")
      #expect(unknown.status == 404 && unknown.body.contains("/healthz, /readyz, /readyz/api, /metrics, /version"))
      #expect(try await ask(port, "/" + String(repeating: "a", count: 300)).status == 414)
      for method in ["POST", "DELETE"] {
        let answer = try await ask(port, "/healthz", method: method)
        #expect(answer.status == 405 && answer.headers["allow"] == "GET, HEAD")
      }
    }
  }

  @Test func aQueryThatIsNoneIsRefused() async throws {
    try await serving { port, _, _ in
      let long = try raw(port, "GET /healthz?\(String(repeating: "a", count: 2_000)) HTTP/1.1")
      let wrong = try raw(port, "GET /healthz?100% HTTP/1.1")
      #expect(long == 414 && wrong == 400)
    }
  }

  @Test func aRefusalOfAnotherMethodKeepsItsKind() async throws {
    try await serving { port, _, _ in
      for (path, fields, status) in [
        ("/nothing", "", 405), ("/\(String(repeating: "a", count: 300))", "", 405), ("/healthz", "Host: i\r\n", 400),
        ("/healthz", "Transfer-Encoding: gzip\r\n", 501),
        ("/healthz", "X: \(String(repeating: "x", count: 9_000))\r\n", 431),
      ] {
        let answer = try raw(port, "POST \(path) HTTP/1.1", fields)
        #expect(answer == status)
      }
    }
  }

  /// The status of the answer to a request of these lines.
  private func raw(_ port: Int, _ line: String, _ fields: String = "") throws -> Int {
    let descriptor = try connected(port)
    defer { close(descriptor) }
    let request = Array("\(line)\r\nHost: h\r\n\(fields)\r\n".utf8)
    try #require(send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count)
    var answer = [UInt8](repeating: 0, count: 12)
    try #require(recv(descriptor, &answer, 12, Int32(MSG_WAITALL)) == 12)
    return Int(String(decoding: answer.suffix(3), as: UTF8.self)) ?? 0
  }

  @Test func answersManyAtOnce() async throws {
    try await serving { port, _, _ in
      try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<20 { group.addTask { try await ask(port, "/metrics").status } }
        for try await status in group { #expect(status == 200) }
      }
    }
  }

  /// A connection that sends a byte now and then, and never a whole request.
  private func dribble(_ port: Int) throws -> Int32 {
    let descriptor = try connected(port)
    #expect(send(descriptor, "G", 1, Int32(MSG_NOSIGNAL)) == 1)
    return descriptor
  }

  private func connected(_ port: Int) throws -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    try #require(status == 0)
    return descriptor
  }

  /// Whether the server has ended it.
  private func isEnded(_ descriptor: Int32) -> Bool {
    var byte: UInt8 = 0
    return recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT)) == 0 || errno == ECONNRESET
  }

  @Test(.timeLimit(.minutes(1))) func connectionsHeldOpenKeepNobodyOut() async throws {
    try await serving { port, _, _ in
      var held: [Int32] = []
      defer { for descriptor in held { close(descriptor) } }
      for _ in 0..<3 {
        for _ in 0..<40 { held.append(try dribble(port)) }
        let began = Instant.now()
        #expect(try await ask(port, "/healthz").status == 200)
        // Well below the ten seconds after which the held ones end by themselves, and enough for a sanitizer's build.
        #expect(Instant.now() - began < .seconds(6))
      }
      let ended = held.count { isEnded($0) }
      #expect(ended >= 120 - 16, "one address has at most 16 connections; \(ended) of 120 were ended")
    }
  }

  @Test(.timeLimit(.minutes(1))) func aRequestThatComesByteByByteIsEnded() async throws {
    let server = AdminServer(
      address: NetworkAddress(host: "127.0.0.1", port: 0), facts: facts, registry: MetricsRegistry(),
      readiness: { ReadinessReport([]) }, logger: Logger(label: "admin", level: .error),
      time: .milliseconds(500))
    try server.start()
    defer { server.stop() }
    let port = Int(try #require(server.boundPort))
    let descriptor = try dribble(port)
    defer { close(descriptor) }
    let began = Instant.now()
    while !isEnded(descriptor), Instant.now() - began < .seconds(10) {
      _ = send(descriptor, "G", 1, Int32(MSG_NOSIGNAL))
      try await Task.sleep(for: .milliseconds(20))
    }
    #expect((.milliseconds(400)...(.seconds(5))).contains(Instant.now() - began))
    #expect(try await ask(port, "/healthz").status == 200)
  }

  @Test func saysWhyItCannotListen() async throws {
    try await serving { port, registry, _ in
      let taken = AdminServer(
        address: NetworkAddress(host: "127.0.0.1", port: UInt16(port)), facts: facts, registry: registry,
        readiness: { ReadinessReport([]) }, logger: Logger(label: "admin", level: .error))
      do throws(HTTPServerError) {
        try taken.start()
        Issue.record("two servers on one port")
      } catch {
        #expect(error.code == .cannotListen)
        #expect(error.description == "cannot listen on ADMIN_ADDR 127.0.0.1:\(port): Address already in use")
      }
      #expect(taken.boundPort == nil)
    }
  }

  @Test func stopsAndStartsAgain() throws {
    let server = AdminServer(
      address: NetworkAddress(host: "127.0.0.1", port: 0), facts: facts, registry: MetricsRegistry(),
      readiness: { ReadinessReport([]) }, logger: Logger(label: "admin", level: .error))
    server.stop()
    try server.start()
    try server.start()
    #expect(server.boundPort != nil)
    server.stop()
    server.stop()
    #expect(server.boundPort == nil)
    try server.start()
    server.stop()
  }
}
