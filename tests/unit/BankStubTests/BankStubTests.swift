import Glibc
import HTTPClient
import Logger
import Metrics
import Synchronization
import Testing
import Values

@testable import BankStub

/// A bank with a file of its own, and a client.
private final class Bench {
  let file = "/tmp/bankstub-\(UniqueID.random()).ndjson"
  let client: HTTPClient
  private(set) var stub: BankStub

  init(sync: @escaping @Sendable (Int32) -> Int32 = { fdatasync($0) }) throws {
    client = HTTPClient(HTTPClientConfiguration(userAgent: "tests"))
    stub = try Self.start(file, sync)
  }

  private static func start(
    _ file: String, _ sync: @escaping @Sendable (Int32) -> Int32 = { fdatasync($0) }
  ) throws -> BankStub {
    let stub = try BankStub(
      address: #require(NetworkAddress("127.0.0.1:0")), file: file, sync: sync,
      logger: Logger(label: "test", level: .error), metrics: MetricsRegistry())
    try stub.start()
    return stub
  }

  func restart() throws {
    stub.stop(until: .now() + .seconds(1))
    stub = try Self.start(file)
  }

  func end() {
    stub.stop(until: .now())
    client.stop()
    unlink(file)
  }

  func send(
    _ method: String, _ path: String, _ body: String? = nil, timeout: Duration = .seconds(20)
  ) async -> Result<HTTPClientResponse, HTTPClientError> {
    let request = HTTPClientRequest(
      method, "http://127.0.0.1:\(stub.boundPort ?? 0)\(path)", headers: [("Content-Type", "application/json")],
      body: body.map { Array($0.utf8) }, timeout: timeout)
    return await withCheckedContinuation { continuation in client.send(request) { continuation.resume(returning: $0) } }
  }

  func answer(_ method: String, _ path: String, _ body: String? = nil) async throws -> (status: Int, body: String) {
    let response = try await send(method, path, body).get()
    return (response.status, String(decoding: response.body, as: UTF8.self))
  }

  func charge(_ id: UniqueID, timeout: Duration = .seconds(20)) async -> Result<HTTPClientResponse, HTTPClientError> {
    await send("POST", "/payment", Self.payment(id), timeout: timeout)
  }

  static func payment(_ id: UniqueID) -> String {
    """
    {"operation_id":"\(id)","user_id":"\(UniqueID(high: 2, low: 2))","amount":"19.99","currency":"EUR",\
    "card_number":"4242424242424242","card_holder_name":"N N","cvv":123}
    """
  }

  func counts(_ id: UniqueID) async throws -> String {
    let line = try await answer("GET", "/control/operations/\(id)").body
    let parts = line.split(separator: "\"requests\":")
    return parts.count == 2 ? String(parts[1].prefix { $0 != "}" }) : "none"
  }
}

@Suite struct BankStubTests {
  private func with(_ body: (Bench) async throws -> Void) async throws {
    let bench = try Bench()
    defer { bench.end() }
    try await body(bench)
  }

  @Test func `a charge is answered, found again, and there after a restart`() async throws {
    try await with { bench in
      let id = UniqueID(high: 5, low: 1)
      let answer = try await bench.answer("POST", "/payment", Bench.payment(id))
      #expect(answer.status == 200)
      #expect(
        answer.body == """
          {"operation_id":"\(id)","user_id":"\(UniqueID(high: 2, low: 2))","status":"succeed","error":"","amount":19.99,\
          "currency":"EUR","card_token":"tok_\(id)"}
          """)
      #expect(try await bench.answer("GET", "/payment/\(id)").body == answer.body)
      try bench.restart()
      #expect(try await bench.answer("GET", "/payment/\(id)").body == answer.body)
      #expect(try await bench.counts(id) == #"1,"charges":1,"hidden":0"#)
      let unknown = UniqueID(high: 5, low: 2)
      let missing = try await bench.answer("GET", "/payment/\(unknown)")
      #expect(missing.status == 404 && missing.body == #"{"operation_id":"\#(unknown)","error":"no such payment"}"#)
    }
  }

  @Test func `an answer waits until it is on disk`() async throws {
    let disk = Mutex((isAsked: false, isReady: false))
    let bench = try Bench(sync: { descriptor in
      disk.withLock { $0.isAsked = true }
      while !disk.withLock({ $0.isReady }) { usleep(1_000) }
      return fdatasync(descriptor)
    })
    defer {
      disk.withLock { $0.isReady = true }
      bench.end()
    }
    let request = HTTPClientRequest(
      "POST", "http://127.0.0.1:\(bench.stub.boundPort ?? 0)/payment", headers: [("Content-Type", "application/json")],
      body: Array(Bench.payment(UniqueID(high: 5, low: 1)).utf8), timeout: .seconds(20))
    let status = Mutex<Int?>(nil)
    bench.client.send(request) { result in status.withLock { $0 = (try? result.get().status) ?? 0 } }
    func until(_ condition: () -> Bool) async throws {
      let deadline = Instant.now() + .seconds(20)
      while !condition() {
        try #require(Instant.now() < deadline)
        try await Task.sleep(for: .milliseconds(2))
      }
    }
    try await until { disk.withLock { $0.isAsked } }
    // A later request is answered meanwhile.
    #expect(try await bench.answer("GET", "/control").status == 200)
    #expect(status.withLock { $0 } == nil)
    disk.withLock { $0.isReady = true }
    try await until { status.withLock { $0 } != nil }
    #expect(status.withLock { $0 } == 200)
  }

  @Test func `a reversal is kept, and refuses the charge from then on`() async throws {
    try await with { bench in
      let id = UniqueID(high: 5, low: 1)
      #expect(try await bench.answer("POST", "/payment/\(id)/reverse").body.contains(#""status":"reversed""#))
      try bench.restart()
      let late = try await bench.answer("POST", "/payment", Bench.payment(id))
      #expect(late.body.contains(#""status":"error","error":"reversed""#))
      #expect(try await bench.counts(id) == #"1,"charges":0,"hidden":0"#)
    }
  }

  @Test(arguments: [
    ("lost_answer", true, "lost"), ("cut", true, "lost"), ("closed", false, "lost"), ("error_500", false, "500"),
    ("error_500_done", true, "500"), ("unauthorized", false, "401"), ("html", true, "200"), ("hang", false, "time"),
    ("hang_done", true, "time"), ("drip", true, "time"), ("other_amount", true, "19.98"), ("other_id", true, "200"),
  ])
  func `each fault is what it says`(fault: String, isDone: Bool, seen: String) async throws {
    try await with { bench in
      let id = UniqueID(high: 5, low: 1)
      let change = try await bench.answer("PUT", "/control", #"{"script":["\#(fault)"]}"#)
      #expect(change.status == 200)
      switch await bench.charge(id, timeout: .seconds(2)) {
      case .success(let response):
        let body = String(decoding: response.body, as: UTF8.self)
        #expect("\(response.status)" == seen || body.contains(seen), "\(response.status) \(body)")
        #expect(body.contains("\(id)") == (fault == "other_amount"))
      case .failure(let error):
        #expect(!error.nothingWasSent)
        #expect(seen == (error.code == .timedOut ? "time" : "lost"), "\(error)")
      }
      #expect(try await bench.counts(id) == #"1,"charges":\#(isDone ? 1 : 0),"hidden":0"#)
      #expect(try await bench.answer("GET", "/payment/\(id)").status == (isDone ? 200 : 404))
      // The script is over.
      #expect(try await bench.answer("POST", "/payment", Bench.payment(UniqueID(high: 5, low: 9))).status == 200)
    }
  }

  @Test func `a bank that is not idempotent counts what it was made to do`() async throws {
    try await with { bench in
      _ = try await bench.answer("PUT", "/control", #"{"idempotent":false,"forgets":1,"delay_ms":[1,20]}"#)
      let id = UniqueID(high: 5, low: 1)
      for _ in 0..<2 { _ = try await bench.charge(id).get() }
      #expect(try await bench.counts(id) == #"2,"charges":2,"hidden":1"#)
      #expect(try await bench.answer("GET", "/payment/\(id)").status == 404)
      #expect(try await bench.answer("GET", "/payment/\(id)").status == 200)
      let behaviour = try await bench.answer("GET", "/control").body
      let calls = #"{"delay_ms":[1,20],"approval":100,"idempotent":false,"forgets":1,"faults":{},"script":[],"#
      #expect(behaviour == calls + #""statement_faults":{},"statement_script":[]}"#)
    }
  }

  @Test func `what is no request is refused by name, and a card number is nowhere`() async throws {
    try await with { bench in
      #expect(try await bench.answer("POST", "/payment", "{}").body == #"{"error":"operation_id is missing"}"#)
      #expect(try await bench.answer("POST", "/payment", "[").status == 400)
      #expect(try await bench.answer("GET", "/payment/7").body == #"{"error":"operation_id is no UUID"}"#)
      #expect(try await bench.answer("PUT", "/control", #"{"delay":1}"#).status == 400)
      #expect(try await bench.answer("PUT", "/payment").status == 405)
      _ = try await bench.charge(UniqueID(high: 5, low: 1)).get()
      let all = try await bench.answer("GET", "/control/operations").body
      #expect(all.split(separator: "\n").count == 1 && !all.contains("4242424242424242"))
    }
  }

  @Test func `a file that a crash has cut is read up to there`() async throws {
    try await with { bench in
      let id = UniqueID(high: 5, low: 1)
      _ = try await bench.charge(id).get()
      let descriptor = open(bench.file, O_WRONLY | O_APPEND)
      #expect(write(descriptor, "{\"operation_id\":", 16) == 16)
      close(descriptor)
      try bench.restart()
      #expect(try await bench.counts(id) == #"1,"charges":1,"hidden":0"#)
      _ = try await bench.charge(UniqueID(high: 5, low: 2)).get()
      try bench.restart()
      #expect(try await bench.answer("GET", "/control/operations").body.split(separator: "\n").count == 2)
    }
  }
}
