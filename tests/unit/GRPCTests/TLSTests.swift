import Foundation
import HTTP2
import Logger
import Metrics
import Runtime
import TLS
import TestSupport
import Testing
import Values

@testable import GRPC

/// A server with TLS and our own client; foreign ones are for the end-to-end tests.
@Suite(.serialized) struct TLSTests {
  private static let bytes: @Sendable ([UInt8]) -> [UInt8] = { $0 }
  private static let methods: [MethodDefinition] = [
    .unaryInline("/tls.TLS/Echo", decode: bytes, encode: bytes) { request, _ in request },
    .unaryInline("/tls.TLS/Who", decode: bytes, encode: bytes) { _, context in
      guard let peer = context.peerCertificate else { return [] }
      return Array("\(peer.subject) \(peer.dnsNames) \(peer.uris) \(peer.fingerprint.count)".utf8)
    },
    .serverStreaming("/tls.TLS/Blocks", decode: bytes, encode: bytes) {
      (request: [UInt8], _, writer: ResponseWriter<[UInt8]>) in
      for number in 0..<200 { try await writer.write([UInt8](repeating: UInt8(number), count: 40_000)) }
    },
  ]

  private func withServer<Result>(
    _ tls: TLSServerContext, _ change: (inout GRPCServerConfiguration) -> Void = { _ in },
    _ body: (GRPCServer, MetricsRegistry) throws -> Result
  ) throws -> Result {
    var configuration = GRPCServerConfiguration(address: NetworkAddress(host: "127.0.0.1", port: 0), loops: 1)
    configuration.tls = tls
    change(&configuration)
    let metrics = MetricsRegistry()
    let server = try GRPCServer(
      configuration: configuration, services: [ServiceDefinition("tls.TLS", Self.methods)],
      logger: Logger(label: "test", level: .error) { _ in }, metrics: metrics)
    try server.start()
    defer { server.stop(until: .now() + .seconds(5)) }
    return try body(server, metrics)
  }

  private func client(
    _ server: GRPCServer, host: String = "127.0.0.1", _ authorities: TLSAuthorities = TestCertificates.ours.authority,
    _ identity: TLSIdentityFiles? = nil
  ) throws -> GRPCClient {
    GRPCClient(
      address: NetworkAddress(host: host, port: server.boundPort), userAgent: "test",
      tls: try TLSClientContext(authorities: authorities, identity: identity), maxResponseSize: 8 << 20)
  }

  /// Whether the metrics come to show the line within 10 s.
  private func shows(_ metrics: MetricsRegistry, _ line: String) -> Bool {
    let deadline = Instant.now() + .seconds(10)
    while !metrics.exposition().contains(line) {
      guard Instant.now() < deadline else { return false }
      _ = Monitor(()).wait(until: .now() + .milliseconds(10)) { _ -> Void? in nil }
    }
    return true
  }

  /// The reason of a call that must fail for want of a connection.
  private func refusal(_ client: GRPCClient) -> String {
    do throws(GRPCStatus) {
      _ = try client.unary("/tls.TLS/Echo", [])
      return "answered"
    } catch {
      return error.code == .unavailable ? error.message : "\(error.code)"
    }
  }

  @Test func everySizePassesBothWays() throws {
    try withServer(TLSServerContext(TestCertificates.ours.server)) { (server, metrics) throws in
      let client = try client(server)
      for size in [0, 1, 16_379, 16_384, 70_000, 4 << 20] {
        let request = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        #expect(try client.unary("/tls.TLS/Echo", request).message == request)
      }
      // Faster than the reader: writes stop in the middle of records and go on there.
      var count = 0
      try client.serverStreaming("/tls.TLS/Blocks", []) { block in
        if block != [UInt8](repeating: UInt8(count), count: 40_000) { Issue.record("block \(count) differs") }
        count += 1
        return true
      }
      #expect(count == 200)
      #expect(metrics.exposition().contains("grpc_server_tls_handshakes_total{outcome=\"ok\"} 1"))
    }
  }

  @Test func aHandlerKnowsItsCallersCertificate() throws {
    let ours = TestCertificates.ours
    try withServer(TLSServerContext(ours.server, clients: TLSClients(authorities: ours.authorityFile))) {
      (server, _) throws in
      let answer = try client(server, ours.authority, ours.client).unary("/tls.TLS/Who", [])
      #expect(
        String(decoding: answer.message, as: UTF8.self)
          == "CN=orders,O=Example [\"orders.example\"] [\"spiffe://example/orders\"] 32")
      #expect(refusal(try client(server)).contains("certificate required"))
      #expect(refusal(try client(server, ours.authority, TestCertificates.others.client)).contains("unknown ca"))
    }
    try withServer(TLSServerContext(ours.server)) { (server, _) throws in
      #expect(try client(server, ours.authority, ours.client).unary("/tls.TLS/Who", []).message == [])
    }
  }

  @Test func aClientTrustsOnlyItsAuthoritiesAndTheServersName() throws {
    try withServer(TLSServerContext(TestCertificates.ours.server)) { (server, metrics) throws in
      #expect(try client(server, host: "localhost").unary("/tls.TLS/Echo", [1]).message == [1])
      #expect(refusal(try client(server, TestCertificates.others.authority)).contains("certificate verify failed"))
      #expect(shows(metrics, "grpc_server_tls_handshakes_total{outcome=\"refused\"} 1"))
    }
    // A certificate of the right authority for another name.
    try withServer(TLSServerContext(TestCertificates.ours.client)) { (server, _) throws in
      #expect(refusal(try client(server)).contains("IP address mismatch"))
      #expect(refusal(try client(server, host: "localhost")).contains("hostname mismatch"))
    }
  }

  @Test func filesThatCannotBeUsedAreToldApart() throws {
    let ours = TestCertificates.ours
    func code(_ files: TLSIdentityFiles, _ authorities: String? = nil) -> TLSError.Code? {
      do throws(TLSError) {
        _ = try TLSServerContext(files, clients: authorities.map { TLSClients(authorities: $0) })
        return nil
      } catch {
        return error.code
      }
    }
    let missing = ours.directory + "/missing.pem"
    #expect(code(TLSIdentityFiles(certificate: missing, key: ours.server.key)) == .certificate)
    #expect(code(TLSIdentityFiles(certificate: ours.server.key, key: ours.server.key)) == .certificate)
    #expect(code(TLSIdentityFiles(certificate: ours.server.certificate, key: missing)) == .key)
    #expect(code(TLSIdentityFiles(certificate: ours.server.certificate, key: ours.client.key)) == .key)
    #expect(code(ours.server, missing) == .authorities)
    #expect(code(ours.server, ours.server.key) == .authorities)
    #expect(code(ours.server, ours.authorityFile) == nil)
  }

  @Test func aReloadChangesNewConnectionsAndABrokenOneNothing() throws {
    let ours = TestCertificates.ours
    let directory = FileManager.default.temporaryDirectory.appending(path: "tls-reload-\(UUID())").path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let files = TLSIdentityFiles(certificate: directory + "/c.pem", key: directory + "/k.pem")
    func put(_ from: TLSIdentityFiles) throws {
      for (source, target) in [(from.certificate, files.certificate), (from.key, files.key)] {
        try Data(contentsOf: URL(fileURLWithPath: source)).write(to: URL(fileURLWithPath: target))
      }
    }
    try put(ours.server)
    let context = try TLSServerContext(files)
    try withServer(context) { (server, _) throws in
      let old = try client(server)
      #expect(try old.unary("/tls.TLS/Echo", [1]).message == [1])
      try Data("nonsense".utf8).write(to: URL(fileURLWithPath: files.key))
      #expect(throws: TLSError.self) { try context.reload() }
      #expect(try client(server).unary("/tls.TLS/Echo", [1]).message == [1])
      try put(TestCertificates.others.server)
      try context.reload()
      #expect(refusal(try client(server)).contains("certificate verify failed"))
      #expect(try client(server, TestCertificates.others.authority).unary("/tls.TLS/Echo", [1]).message == [1])
      #expect(try old.unary("/tls.TLS/Echo", [2]).message == [2])
    }
  }

  /// Reads until the other side ends the connection, for 10 s at most; the bytes that came.
  private func readToEnd(_ descriptor: Int32) -> [UInt8]? {
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4_096)
    while true {
      var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&wait, 1, 10_000) == 1 else { return nil }
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count == 0 { return all }
      if count < 0 { return nil }
      all += buffer[..<count]
    }
  }

  @Test func whoDoesNotShakeHandsIsCutAndKeepsNobodyOut() throws {
    try withServer(TLSServerContext(TestCertificates.ours.server)) { configuration in
      configuration.maxHandshakes = 3
      configuration.http2.handshakeTimeout = .milliseconds(500)
    } _: { (server, metrics) throws in
      let address = NetworkAddress(host: "127.0.0.1", port: server.boundPort)
      let silent = try (0..<5).map { _ in try connectSocket(address, timeout: .seconds(5)) }
      defer { for descriptor in silent { closeDescriptor(descriptor) } }
      let honest = try client(server)
      #expect(try honest.unary("/tls.TLS/Echo", [1]).message == [1])
      for descriptor in silent { #expect(readToEnd(descriptor) == []) }
      #expect(shows(metrics, "grpc_server_tls_handshakes_total{outcome=\"displaced\"} 3"))
      #expect(shows(metrics, "grpc_server_tls_handshakes_total{outcome=\"late\"} 2"))
      #expect(shows(metrics, "grpc_server_connections 1"))
      #expect(try honest.unary("/tls.TLS/Echo", [2]).message == [2])
    }
  }

  @Test func `the end of a certificate is read from a file and from a text`() throws {
    let file = TestCertificates.ours.client.certificate
    let end = try #require(CertificateFile.end(at: file))
    #expect(abs(Double(end) - Date().timeIntervalSince1970 - 2 * 86_400) < 3_600)
    let text = try String(contentsOfFile: file, encoding: .utf8)
    #expect(CertificateFile.end(ofPEM: text + text) == end)
    for wrong in ["", "nonsense", String(text.dropLast(40))] { #expect(CertificateFile.end(ofPEM: wrong) == nil) }
    #expect(CertificateFile.end(at: "/nonexistent.pem") == nil)
    #expect(CertificateFile.end(at: TestCertificates.ours.client.key) == nil)
  }

  @Test func plainTextIsRefusedAndClosed() throws {
    try withServer(TLSServerContext(TestCertificates.ours.server)) { (server, _) throws in
      let address = NetworkAddress(host: "127.0.0.1", port: server.boundPort)
      let descriptor = try connectSocket(address, timeout: .seconds(5))
      defer { closeDescriptor(descriptor) }
      let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
      #expect(send(descriptor, preface, preface.count, 0) == preface.count)
      // An alert (type 21) or nothing, and the end.
      let answer = try #require(readToEnd(descriptor))
      #expect(answer.isEmpty || answer[0] == 21)
    }
  }
}
