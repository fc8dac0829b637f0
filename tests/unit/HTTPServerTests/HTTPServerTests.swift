import Errors
import Foundation
import Logger
import Metrics
import Runtime
import TLS
import TestSupport
import Testing
import Values

@testable import HTTPServer

@Suite(.timeLimit(.minutes(1))) struct HTTPServerTests {
  @Test func answersOneAfterTheOtherOnAConnection() throws {
    let served = try Served()
    let caller = try served.connect()
    for _ in 0..<3 {
      caller.send(get)
      let answer = try caller.answer()
      #expect(answer.status == 200 && answer.body == "hello you")
      #expect(answer.head.lowercased().contains("content-type: text/plain; charset=utf-8\r\n"))
    }
    caller.send(post("/echo", String(repeating: "x", count: 100_000)))
    #expect(try caller.answer().body.utf8.count == 100_000)
    caller.send("HEAD /hello/you HTTP/1.1\r\nHost: h\r\n\r\n")
    let head = try caller.answer(toHead: true)
    #expect(head.status == 200 && head.head.lowercased().contains("content-length: 9\r\n"))
    caller.send(get + post("/echo", "two") + get)
    #expect(try (0..<3).map { _ in try caller.answer().body } == ["hello you", "two", "hello you"], "pipelined")
  }

  @Test func refusesWithProblemsAndGoesOnWhereItCan() throws {
    let served = try Served()
    let caller = try served.connect()
    caller.send("GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n")
    var answer = try caller.answer()
    #expect(answer.status == 404 && answer.body.contains(#""code":"unknown_path""#))
    #expect(answer.head.lowercased().contains("content-type: application/problem+json\r\n"))
    caller.send("DELETE /hello/you HTTP/1.1\r\nHost: h\r\n\r\n")
    answer = try caller.answer()
    #expect(answer.status == 405 && answer.head.contains("Allow: GET, HEAD\r\n"))
    caller.send("GET /hello/%zz HTTP/1.1\r\nHost: h\r\n\r\n")
    answer = try caller.answer()
    #expect(
      answer.status == 400 && answer.head.lowercased().contains("connection: close") && !answer.body.contains("zz"))
    #expect(try caller.isEnded())
  }

  @Test func leavesOutFieldsThatWouldSplitTheAnswer() throws {
    let served = try Served()
    let caller = try served.connect()
    caller.send("GET /split HTTP/1.1\r\nHost: h\r\n\r\n")
    let answer = try caller.answer()
    #expect(answer.head.contains("X-Good: yes\r\n") && !answer.head.contains("Cookie") && answer.body == "ok")
  }

  @Test func manyConnectionsAreServedAlike() throws {
    let served = try Served()
    let callers = try (0..<30).map { _ in try served.connect() }
    for _ in 0..<10 {
      for caller in callers { caller.send(get) }
      for caller in callers { #expect(try caller.answer().body == "hello you") }
    }
    for caller in callers { caller.send(post("/later", "")) }
    for _ in callers { try served.exchange().respond(.text(200, "late")) }
    for caller in callers { #expect(try caller.answer().body == "late") }
    served.server.stop(until: .now() + .seconds(5))
    for caller in callers { #expect(caller.hasEnded) }
  }

  @Test func countsWhatItServes() throws {
    let served = try Served()
    let caller = try served.connect()
    caller.send(get + get + "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n")
    for _ in 0..<3 { _ = try caller.answer() }
    let text = served.metrics.exposition()
    #expect(text.contains(#"http_server_requests_total{surface="test",route="hello",method="GET",code="200"} 2"#))
    #expect(text.contains(#"http_server_requests_total{surface="test",route="",method="",code="404"} 1"#))
    #expect(text.contains(#"http_server_request_seconds_count{surface="test",route="hello",method="GET"} 2"#))
    #expect(text.contains(#"http_server_connections{surface="test"} 1"#))
    let log = served.log.withLock { $0 }
    #expect(log.contains("method=GET route=hello code=200 peer=127.0.0.1:") && !log.contains("you"))
  }

  @Test(arguments: AccessLog.allCases)
  func `the access log has the requests that it is asked for`(access: AccessLog) throws {
    let served = try Served { $0.accessLog = access }
    let caller = try served.connect()
    let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
    caller.send("GET /hello/you?pin=4711 HTTP/1.1\r\nHost: h\r\n\(trace)\r\nGET /secret HTTP/1.1\r\nHost: h\r\n\r\n")
    for _ in 0..<2 { _ = try caller.answer() }
    let lines = served.log.withLock { $0 }.split(separator: "\n")
    let good = try #require(lines.first { $0.contains("code=200") })
    #expect(good.contains(access == .all ? " info " : " debug "))
    #expect(good.contains(" bytes=9 trace_id=4bf92f3577b34da6a3ce929d0e0e4736"))
    let bad = try #require(lines.first { $0.contains("code=404") })
    #expect(
      bad.contains(access == .off ? " debug " : " warning ")
        && !lines.contains { $0.contains("secret") || $0.contains("4711") })
  }

  @Test func servesWithTLS() throws {
    let served = try Served { $0.tls = try ServerCertificate(TestCertificates.ours.server) }
    let port = try #require(served.server.boundPort)
    let openssl = Process()
    openssl.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
    openssl.arguments = [
      "s_client", "-quiet", "-verify_return_error", "-verify_hostname", "localhost", "-CAfile",
      TestCertificates.ours.authorityFile, "-connect", "127.0.0.1:\(port)",
    ]
    let (input, output) = (Pipe(), Pipe())
    (openssl.standardInput, openssl.standardOutput) = (input, output)
    openssl.standardError = FileHandle.nullDevice
    try openssl.run()
    input.fileHandleForWriting.write(Data(post("/echo", "secret", "Connection: close\r\n").utf8))
    let answer = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    openssl.waitUntilExit()
    #expect(answer.hasPrefix("HTTP/1.1 200 ") && answer.hasSuffix("\r\n\r\nsecret"))
    let clear = try served.connect()
    clear.send(get)
    #expect(try !clear.rest().contains("hello"))
  }

  @Test func saysWhyItDoesNotStart() throws {
    let served = try Served()
    let port = try #require(served.server.boundPort)
    func start(_ change: (inout HTTPServerConfiguration) -> Void) -> HTTPServerError? {
      var configuration = HTTPServerConfiguration(
        address: NetworkAddress(host: "127.0.0.1", port: 0), surface: "test", addressName: "TEST_ADDR")
      change(&configuration)
      let server = HTTPServer(
        configuration, router: HTTPRouter(), logger: Logger(label: "test", level: .error), metrics: MetricsRegistry())
      do throws(HTTPServerError) { try server.start() } catch { return error }
      return nil
    }
    let taken = start { $0.address = NetworkAddress(host: "127.0.0.1", port: port) }
    #expect(taken?.code == .cannotListen)
    #expect(taken?.description == "cannot listen on TEST_ADDR 127.0.0.1:\(port): Address already in use")
    #expect(start { $0.address = NetworkAddress(host: "no.such.host.invalid", port: 1) }?.code == .unknownHost)
  }

  @Test func aCertificateSaysWhyItCannotBeUsed() throws {
    let (good, other) = (TestCertificates.ours.server, TestCertificates.others.server)
    func refusal(_ certificate: String, _ key: String) -> HTTPServerError? {
      do throws(HTTPServerError) {
        _ = try ServerCertificate(TLSIdentityFiles(certificate: certificate, key: key))
        return nil
      } catch {
        return error
      }
    }
    #expect(refusal(good.certificate, good.key) == nil)
    for certificate in ["/nowhere", "/etc/passwd", "/dev/null", good.key] {
      #expect(refusal(certificate, good.key)?.code == .certificate)
    }
    for key in ["/nowhere", "/etc/passwd", "/dev/null", other.key] {
      #expect(refusal(good.certificate, key)?.code == .key)
    }
    #expect(refusal("/nowhere", good.key)?.description.hasSuffix("found: No such file or directory") == true)
  }

  @Test func aReloadChangesTheCertificateAndABrokenOneNothing() throws {
    let directory = FileManager.default.temporaryDirectory.appending(path: "reload-\(UUID())")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let files = TLSIdentityFiles(
      certificate: directory.appending(path: "tls.pem").path, key: directory.appending(path: "tls.key").path)
    func put(_ certificate: String, _ key: String) throws {
      for (from, to) in [(certificate, files.certificate), (key, files.key)] {
        try Data(contentsOf: URL(fileURLWithPath: from)).write(to: URL(fileURLWithPath: to))
      }
    }
    let (ours, others) = (TestCertificates.ours, TestCertificates.others)
    try put(ours.server.certificate, ours.server.key)
    let certificate = try ServerCertificate(files)
    let served = try Served { $0.tls = certificate }
    let port = try #require(served.server.boundPort)
    #expect(try trusts(ours, port) && !trusts(others, port))
    try put(others.server.certificate, ours.server.key)
    #expect(throws: HTTPServerError.self) { try certificate.reload() }
    #expect(try trusts(ours, port))
    try put(others.server.certificate, others.server.key)
    try certificate.reload()
    #expect(try trusts(others, port) && !trusts(ours, port))
    let end = try #require(certificate.end)
    #expect(served.metrics.exposition().contains("http_server_tls_certificate_end_seconds{surface=\"test\"} \(end)\n"))
  }

  /// Whether a client that trusts an authority finds a certificate of it.
  private func trusts(_ authority: TestCertificates, _ port: UInt16) throws -> Bool {
    let openssl = Process()
    openssl.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
    openssl.arguments = [
      "s_client", "-verify_return_error", "-CAfile", authority.authorityFile, "-connect", "127.0.0.1:\(port)",
    ]
    openssl.standardInput = FileHandle.nullDevice
    (openssl.standardOutput, openssl.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try openssl.run()
    openssl.waitUntilExit()
    return openssl.terminationStatus == 0
  }
}
