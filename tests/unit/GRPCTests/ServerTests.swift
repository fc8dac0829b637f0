import HTTP2
import Logger
import Metrics
import Protobuf
import Runtime
import StandardMessages
import Synchronization
import Testing
import Values

@testable import GRPC

/// A server of ours on a free port, driven by our client; foreign clients are for the end-to-end tests.
struct ServerTests {
  private static let decode: @Sendable ([UInt8]) throws -> [UInt8] = { $0 }
  private static let encode: @Sendable ([UInt8]) -> [UInt8] = { $0 }
  private static let refuse: @Sendable ([UInt8]) throws -> [UInt8] = { _ in throw Secret() }

  private static let echo: [MethodDefinition] = {
    [
      .unaryInline("/echo.Echo/Inline", decode: decode, encode: encode) { request, _ in request },
      .unary("/echo.Echo/Task", decode: decode, encode: encode) { request, _ in
        await Task.yield()
        return request
      },
      .unary("/echo.Echo/Metadata", decode: decode, encode: encode) { request, context in
        context.setInitialMetadata(["x-initial": context.metadata["x-text"] ?? ""])
        var trailers = Metadata()
        for value in context.metadata.all("x-data-bin") { trailers.add("x-data-bin", bytes: value) }
        context.setTrailers(trailers)
        return Array(context.peer.utf8)
      },
      .unary("/echo.Echo/Unparseable", decode: refuse, encode: encode) { request, _ in request },
      .unary("/echo.Echo/Refuse", decode: decode, encode: encode) { (_, _) -> [UInt8] in
        throw GRPCStatus(
          .failedPrecondition, "naïve 100%\n", reason: "TEST", domain: "echo", field: ("a", "wrong"))
      },
      .unaryInline("/echo.Echo/Crash", decode: decode, encode: encode) { (_, _) -> [UInt8] in throw Secret() },
      .serverStreaming("/echo.Echo/Count", decode: decode, encode: encode) { request, _, writer in
        for number in 0..<request.count { try await writer.write(Array("\(number)".utf8)) }
      },
      .clientStreaming("/echo.Echo/Sum", decode: decode, encode: encode) { requests, _ in
        var sum = 0
        for try await request in requests { sum += request.count }
        return Array("\(sum)".utf8)
      },
      .bidirectional("/echo.Echo/Chat", decode: decode, encode: encode) { requests, _, writer in
        for try await request in requests { try await writer.write(request) }
      },
    ]
  }()
  private struct Secret: Error {}

  private static let quiet = Logger(label: "test", level: .error) { _ in }

  private func withServer<Result>(
    _ more: [MethodDefinition] = [], interceptors: [any ServerInterceptor] = [], health: HealthService? = nil,
    maxRequestSize: Int = 4 << 20, maxConcurrentCalls: Int = 100,
    _ body: (GRPCServer, GRPCClient, MetricsRegistry) throws -> Result
  ) throws -> Result {
    let metrics = MetricsRegistry()
    var configuration = GRPCServerConfiguration(address: NetworkAddress(host: "127.0.0.1", port: 0))
    configuration.maxRequestSize = maxRequestSize
    configuration.maxConcurrentCalls = maxConcurrentCalls
    let services = [ServiceDefinition("echo.Echo", Self.echo + more)] + (health.map { [$0.definition] } ?? [])
    let server = try GRPCServer(
      configuration: configuration, services: services, interceptors: interceptors, logger: Self.quiet,
      metrics: metrics)
    try server.start()
    let client = GRPCClient(
      address: NetworkAddress(host: "127.0.0.1", port: server.boundPort), userAgent: "test", maxResponseSize: 8 << 20)
    defer {
      client.close()
      server.stop(until: .now() + .seconds(5))
    }
    return try body(server, client, metrics)
  }

  private func status(_ body: () throws(GRPCStatus) -> Void) -> GRPCStatus {
    do throws(GRPCStatus) {
      try body()
      return .ok
    } catch {
      return error
    }
  }

  @Test(arguments: ["Inline", "Task"], [0, 1, 100, 70_000, 4 << 20])
  func unaryEchoes(_ method: String, _ size: Int) throws {
    try withServer { (_, client, _) throws in
      let request = [UInt8](repeating: 3, count: size)
      #expect(try client.unary("/echo.Echo/\(method)", request).message == request)
    }
  }

  @Test func aRequestOverTheLimitIsRefusedAndTheConnectionGoesOn() throws {
    try withServer(maxRequestSize: 1_000) { (_, client, _) throws in
      let failure = status { () throws(GRPCStatus) in
        _ = try client.unary("/echo.Echo/Task", [UInt8](repeating: 3, count: 1_001))
      }
      #expect(failure.code == .resourceExhausted)
      #expect(try client.unary("/echo.Echo/Task", [UInt8](repeating: 3, count: 1_000)).message.count == 1_000)
    }
  }

  @Test func metadataPassesBothWays() throws {
    try withServer { (_, client, _) throws in
      var metadata: Metadata = ["x-text": "hello"]
      metadata.add("x-data-bin", bytes: [0, 1, 254, 255])
      let response = try client.unary("/echo.Echo/Metadata", [], metadata: metadata)
      #expect(response.initialMetadata["x-initial"] == "hello")
      #expect(response.trailers.all("x-data-bin") == [[0, 1, 254, 255]])
      #expect(String(decoding: response.message, as: UTF8.self).hasPrefix("ipv4:127.0.0.1:"))
    }
  }

  @Test func statusesReachTheCallerWithTheirDetails() throws {
    try withServer { (_, client, metrics) throws in
      let refused = status { () throws(GRPCStatus) in _ = try client.unary("/echo.Echo/Refuse", []) }
      #expect(refused.code == .failedPrecondition)
      #expect(refused.message == "naïve 100%\n")
      #expect(refused.richStatus?.code == 9)
      #expect(try refused.richStatus?.details.first?.unpack(as: GoogleRPC.ErrorInfo.self)?.reason == "TEST")
      let crashed = status { () throws(GRPCStatus) in _ = try client.unary("/echo.Echo/Crash", []) }
      #expect(crashed.code == .unknown)
      #expect(!crashed.message.contains("Secret"))
      let unparseable = status { () throws(GRPCStatus) in _ = try client.unary("/echo.Echo/Unparseable", [1]) }
      #expect(unparseable.code == .internal)
      let unknown = status { () throws(GRPCStatus) in _ = try client.unary("/echo.Echo/None", []) }
      #expect(unknown.code == .unimplemented)
      let text = metrics.exposition()
      let refuse = #"grpc_type="unary",grpc_service="echo.Echo",grpc_method="Refuse""#
      #expect(text.contains("grpc_server_started_total{\(refuse)} 1\n"))
      #expect(text.contains("grpc_server_handled_total{\(refuse),grpc_code=\"FAILED_PRECONDITION\"} 1\n"))
      #expect(text.contains("grpc_server_handling_seconds_count{\(refuse)} 1\n"))
      #expect(text.contains("grpc_server_calls_in_flight{\(refuse)} 0\n"))
      #expect(text.contains("grpc_server_connections 1"))
    }
  }

  @Test func serverStreamsInOrder() throws {
    try withServer { (_, client, _) throws in
      var received: [String] = []
      try client.serverStreaming("/echo.Echo/Count", [UInt8](repeating: 0, count: 5_000)) { message in
        received.append(String(decoding: message, as: UTF8.self))
        return true
      }
      #expect(received == (0..<5_000).map(String.init))
    }
  }

  @Test func clientAndBidirectionalStreamsCarryEverything() throws {
    try withServer { (_, client, _) throws in
      let requests = (0..<600).map { [UInt8](repeating: UInt8($0 % 256), count: $0 * 7) }
      let total = requests.reduce(0) { $0 + $1.count }
      #expect(try client.exchange("/echo.Echo/Sum", requests) == [Array("\(total)".utf8)])
      #expect(try client.exchange("/echo.Echo/Chat", requests) == requests)
    }
  }

  @Test func unaryCallsTakeExactlyOneMessage() throws {
    try withServer { (_, client, _) throws in
      for requests in [[], [[1], [2]]] as [[[UInt8]]] {
        let failure = status { () throws(GRPCStatus) in _ = try client.exchange("/echo.Echo/Task", requests) }
        #expect(failure.code == .unimplemented)
      }
    }
  }

  @Test func aWriterWaitsForASlowReader() throws {
    let written = Atomic(0)
    let endless = MethodDefinition.serverStreaming(
      "/echo.Echo/Endless", decode: Self.decode, encode: Self.encode
    ) { (_: [UInt8], _, writer: ResponseWriter<[UInt8]>) in
      let block = [UInt8](repeating: 1, count: 32 << 10)
      while true {
        try await writer.write(block)
        written.wrappingAdd(1, ordering: .relaxed)
      }
    }
    try withServer([endless]) { (_, client, _) throws in
      var seen = 0
      try client.serverStreaming("/echo.Echo/Endless", []) { _ in
        seen += 1
        if seen == 1 {
          // Not read from: what is written meanwhile must come to rest.
          var last = -1
          while written.load(ordering: .relaxed) != last {
            last = written.load(ordering: .relaxed)
            _ = Monitor(()).wait(until: .now() + .milliseconds(100)) { _ -> Void? in nil }
          }
          #expect(last < 200)
        }
        return seen < 300
      }
      #expect(seen == 300)
    }
  }

  @Test func aDeadlineCancelsTheHandler() throws {
    let cancelled = WakeSignal()
    let heard = WakeSignal()
    let sleepy = MethodDefinition.unary("/echo.Echo/Sleep", decode: Self.decode, encode: Self.encode) {
      (request: [UInt8], context) -> [UInt8] in
      context.onCancel { heard.notify() }
      do { try await Task.sleep(for: .seconds(60)) } catch {
        cancelled.notify()
        throw error
      }
      return request
    }
    try withServer([sleepy]) { (_, client, _) throws in
      let failure = status { () throws(GRPCStatus) in
        _ = try client.unary("/echo.Echo/Sleep", [], timeout: .milliseconds(100))
      }
      #expect(failure.code == .deadlineExceeded)
      #expect(cancelled.wait(until: .now() + .seconds(10)))
      #expect(heard.wait(until: .now() + .seconds(10)))
      #expect(try client.unary("/echo.Echo/Inline", [1]).message == [1])
    }
  }

  @Test func shutdownLetsCallsEndAndThenCancelsThem() throws {
    let started = WakeSignal()
    let hang = MethodDefinition.unary("/echo.Echo/Hang", decode: Self.decode, encode: Self.encode) {
      (request: [UInt8], _) -> [UInt8] in
      started.notify()
      try await Task.sleep(for: request.isEmpty ? .seconds(60) : .milliseconds(300))
      return request
    }
    try withServer([hang]) { (server, client, _) throws in
      let outcomes = Monitor<[GRPCStatus]>([])
      let callers = [[UInt8](), [1]].map { request in
        WorkerThread(name: "caller") {
          let outcome = status { () throws(GRPCStatus) in _ = try client.unary("/echo.Echo/Hang", request) }
          outcomes.update { $0.append(outcome) }
        }
      }
      #expect(started.wait(until: .now() + .seconds(10)))
      // Both are in before the drain: the calls go out in the order of the client's loop.
      _ = try client.unary("/echo.Echo/Inline", [])
      server.stop(until: .now() + .seconds(1))
      for caller in callers { caller.join() }
      #expect(outcomes.withLock { Set($0.map(\.code)) }.isSubset(of: [.ok, .unavailable]))
      #expect(outcomes.withLock { $0.contains { $0.code == .unavailable } })
      let late = status { () throws(GRPCStatus) in _ = try client.unary("/echo.Echo/Inline", []) }
      #expect(late.code == .unavailable)
    }
  }

  @Test func interceptorsRefuseAndHear() throws {
    final class Guard: ServerInterceptor {
      let finished = Monitor<[GRPCCode]>([])
      func willHandle(_ context: ServerContext) throws(GRPCStatus) {
        if context.metadata["authorization"] == nil { throw GRPCStatus(.unauthenticated, "who are you?") }
      }
      func didFinish(_ context: ServerContext, _ status: GRPCStatus, elapsed: Duration) {
        finished.update { $0.append(status.code) }
      }
    }
    let interceptor = Guard()
    try withServer(interceptors: [interceptor]) { (_, client, _) throws in
      let refused = status { () throws(GRPCStatus) in _ = try client.unary("/echo.Echo/Inline", []) }
      #expect(refused.code == .unauthenticated)
      _ = try client.unary("/echo.Echo/Inline", [], metadata: ["authorization": "me"])
    }
    #expect(interceptor.finished.withLock { $0 } == [.unauthenticated, .ok])
  }

  @Test(arguments: AccessLog.allCases)
  func `the access log has the calls that it is asked for`(access: AccessLog) throws {
    let lines = Monitor<[String]>([])
    let logger = Logger(label: "test", level: .debug) { line in
      lines.update { $0.append(String(decoding: line, as: UTF8.self)) }
    }
    try withServer(interceptors: [CallLog(logger, access)]) { (_, client, _) throws in
      let trace: Metadata = ["traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]
      _ = try client.unary("/echo.Echo/Inline", [1, 2, 3], metadata: trace)
      _ = status { () throws(GRPCStatus) in _ = try client.unary("/echo.Echo/Nothing", []) }
    }
    let written = lines.withLock { $0 }
    let good = written.filter { $0.contains(" info grpc: call ended method=/echo.Echo/Inline ") }
    #expect(
      good.map { $0.contains(" bytes=3 trace_id=4bf92f3577b34da6a3ce929d0e0e4736") } == (access == .all ? [true] : []))
    #expect(written.contains { $0.contains(access == .off ? " debug grpc: call ended" : " warning grpc: call failed") })
    #expect(!written.contains { $0.contains(" code=OK ") } || access == .all)
  }

  @Test func healthIsCheckedListedAndWatched() throws {
    typealias Health = GRPCHealthV1
    let health = HealthService()
    try withServer(health: health) { (_, client, _) throws in
      let check = "/grpc.health.v1.Health/Check"
      let whole = Health.HealthCheckRequest()
      #expect(try client.unary(check, whole, returning: Health.HealthCheckResponse.self).status == .notServing)
      health.set(status: .serving)
      #expect(try client.unary(check, whole, returning: Health.HealthCheckResponse.self).status == .serving)
      let unknown = status { () throws(GRPCStatus) in
        _ = try client.unary(
          check, Health.HealthCheckRequest(service: "x"), returning: Health.HealthCheckResponse.self)
      }
      #expect(unknown.code == .notFound)
      var seen: [Health.ServingStatus] = []
      let request = Health.HealthCheckRequest(service: "x").serialized()
      try client.serverStreaming("/grpc.health.v1.Health/Watch", request) { message in
        if let response = try? Health.HealthCheckResponse(serialized: message) { seen.append(response.status) }
        if seen.count == 1 { health.set(service: "x", status: .serving) }
        if seen.count == 2 { health.set(service: "x", status: .notServing) }
        return seen.count < 3
      }
      #expect(seen == [.serviceUnknown, .serving, .notServing])
      let list = try client.unary(
        "/grpc.health.v1.Health/List", Health.HealthListRequest(), returning: Health.HealthListResponse.self)
      #expect(list.statuses.keys.sorted() == ["", "x"])
    }
  }

  @Test func callsAtOnceAreBounded() throws {
    let hang = MethodDefinition.unary("/echo.Echo/Hang", decode: Self.decode, encode: Self.encode) {
      (request: [UInt8], _) -> [UInt8] in
      try await Task.sleep(for: .seconds(60))
      return request
    }
    try withServer([hang], maxConcurrentCalls: 0) { (_, client, _) throws in
      let refused = status { () throws(GRPCStatus) in _ = try client.unary("/echo.Echo/Hang", []) }
      #expect(refused.code == .resourceExhausted)
    }
  }

  @Test func malformedServicesAreRefused() {
    let configuration = GRPCServerConfiguration(address: NetworkAddress(host: "127.0.0.1", port: 0))
    for service in [
      ServiceDefinition("other.Service", Self.echo), ServiceDefinition("echo.Echo", Self.echo + Self.echo),
    ] {
      #expect(throws: GRPCError.self) {
        try GRPCServer(
          configuration: configuration, services: [service], logger: Self.quiet, metrics: MetricsRegistry())
      }
    }
  }
}
