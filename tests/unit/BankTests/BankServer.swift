import Bank
import BankStub
import Cards
import Glibc
import HTTPClient
import Logger
import Metrics
import Money
import ProcessingDomain
import Runtime
import Synchronization
import Testing
import Values

/// A bank stub with a file of its own, and a client of it.
final class Bench: Sendable {
  let file = "/tmp/bank-\(UniqueID.random()).ndjson"
  let stub: BankStub
  let bank: BankClient
  let metrics = MetricsRegistry()
  let lines = Mutex<[String]>([])
  private let http = HTTPClient(HTTPClientConfiguration(userAgent: "tests"))

  init(timeout: Duration, maximumCalls: Int) throws {
    let stub = try BankStub(
      address: #require(NetworkAddress("127.0.0.1:0")), file: file, logger: Logger(label: "stub", level: .error),
      metrics: MetricsRegistry())
    try stub.start()
    self.stub = stub
    var configuration = BankConfiguration(url: "http://127.0.0.1:\(stub.boundPort ?? 0)")
    configuration.timeout = timeout
    configuration.maximumCalls = maximumCalls
    bank = BankClient(configuration, logger: Logger(label: "bank", level: .error), metrics: metrics)
    bank.start()
  }

  func end() {
    bank.stop(until: .now())
    stub.stop(until: .now())
    http.stop()
    unlink(file)
  }

  /// Runs the body with a bench that ends in any case.
  static func with(
    timeout: Duration = .seconds(30), maximumCalls: Int = 4_096, _ body: (Bench) async throws -> Void
  ) async throws {
    let bench = try Bench(timeout: timeout, maximumCalls: maximumCalls)
    defer { bench.end() }
    try await body(bench)
  }

  /// Has the stub behave.
  func control(_ json: String) async throws {
    let request = HTTPClientRequest(
      "PUT", "http://127.0.0.1:\(stub.boundPort ?? 0)/control", headers: [("Content-Type", "application/json")],
      body: Array(json.utf8), timeout: .seconds(20))
    let result = await withCheckedContinuation { continuation in
      http.send(request) { continuation.resume(returning: $0) }
    }
    #expect(try result.get().status == 200)
  }

  /// What the stub counts of an operation: requests and charges.
  func counts(_ id: UniqueID) async throws -> String {
    let request = HTTPClientRequest(
      "GET", "http://127.0.0.1:\(stub.boundPort ?? 0)/control/operations/\(id)", timeout: .seconds(20))
    let result = await withCheckedContinuation { continuation in
      http.send(request) { continuation.resume(returning: $0) }
    }
    let line = String(decoding: try result.get().body, as: UTF8.self)
    var scanner = try JSONScanner(Array(line.utf8), maximumBytes: 4_096)
    var counts = ["requests": Int64(0), "charges": 0]
    guard (try? scanner.beginObject()) != nil else { return "none" }
    while let field = try scanner.nextKey() {
      if counts[field] != nil { counts[field] = try scanner.integer() } else { try scanner.skipValue() }
    }
    return "\(counts["requests"] ?? 0) \(counts["charges"] ?? 0)"
  }

  /// Takes a slot and charges.
  func charge(
    _ id: UniqueID, _ source: BankSource = .account("7771"), sendBy: Instant = .now() + .seconds(20)
  ) async -> BankReply {
    #expect(bank.reserve(1) == 1)
    return await bank.charge(BankCharge(operationID: id, userID: user, amount: price, source: source), sendBy: sendBy)
  }
}

func card(_ number: String = "4242424242424242", holder: String = "N \\\"N\\\" ä") throws -> PaymentCard {
  let json = #"{"number":"\#(number)","exp_month":12,"exp_year":2030,"cvv":"987","holder":"\#(holder)"}"#
  var scanner = try JSONScanner(Array(json.utf8), maximumBytes: 4_096)
  return try PaymentCard(CardDetails(reading: &scanner), at: #require(Timestamp("2026-11-26T12:00:00.000000Z")))
}
