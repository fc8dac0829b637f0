import GRPC
import HTTP2
import Logger
import Metrics
import Money
import Protobuf
import Runtime
import SagaMessages
import StandardMessages
import Synchronization
import TLS
import TestSupport
import Testing
import Tracing
import Values

@testable import SagaClient

/// The client against a server that answers as the saga's does.
@Suite struct SagaClientTests {
  private typealias Payment = PaymentsV1.Payment

  /// What the server does with a call.
  private typealias Handler = @Sendable (_ order: Int64, _ reason: String?) async throws -> PaymentsV1.Payment

  /// What the calls of a test said that they are a part of.
  private final class HeardTraces: Sendable {
    private let traces = Mutex<[TraceContext?]>([])

    func add(_ trace: TraceContext?) { traces.withLock { $0.append(trace) } }

    var all: [TraceContext?] { traces.withLock { $0 } }
  }

  private func with(
    limits: SagaClient.Limits = SagaClient.Limits(), tls: Bool = false, tracer: Tracer = .off,
    heard: HeardTraces = HeardTraces(), _ handler: @escaping Handler,
    _ body: (SagaClient, MetricsRegistry) async throws -> Void
  ) async throws {
    var configuration = GRPCServerConfiguration(address: NetworkAddress(host: "127.0.0.1", port: 0), loops: 1)
    if tls { configuration.tls = try TLSServerContext(TestCertificates.ours.server) }
    let service = ServiceDefinition(
      "payments.v1.PaymentService",
      [
        .unary("/payments.v1.PaymentService/GetPayment") { (request: PaymentsV1.GetPaymentRequest, context) in
          heard.add(context.trace)
          return try await handler(request.orderID, nil)
        },
        .unary("/payments.v1.PaymentService/UpdatePaymentStatus") {
          (request: PaymentsV1.UpdatePaymentStatusRequest, context) in
          heard.add(context.trace)
          #expect(request.status == .completed)
          return try await handler(request.orderID, request.reason)
        },
      ])
    let server = try GRPCServer(
      configuration: configuration, services: [service], logger: Logger(label: "test", level: .error) { _ in },
      metrics: MetricsRegistry())
    try server.start()
    var settings = SagaClientSettings()
    settings.address = NetworkAddress(host: "127.0.0.1", port: server.boundPort)
    if tls { settings.authorities = TestCertificates.ours.authorityFile }
    let metrics = MetricsRegistry()
    let client = SagaClient(
      try #require(try settings.client(userAgent: "test")), limits: limits, metrics: metrics, tracer: tracer)
    try await body(client, metrics)
    await onThread {
      client.stop(until: .now() + .seconds(5))
      server.stop(until: .now() + .seconds(5))
    }
  }

  private func onThread(_ body: @escaping @Sendable () -> Void) async {
    await withCheckedContinuation { continuation in
      _ = WorkerThread(name: "test") {
        body()
        continuation.resume()
      }
    }
  }

  private static func refusal(_ code: GRPCCode, _ reason: String) -> GRPCStatus {
    GRPCStatus(code, "said so", reason: reason, domain: "payments.paysaga")
  }

  private static let soon = Duration.seconds(5)

  @Test(arguments: [false, true])
  func `a payment is found with all that direct payments look at`(tls: Bool) async throws {
    try await with(tls: tls) { order, reason in
      #expect(reason == nil)
      guard order == 7 else { throw Self.refusal(.notFound, "PAYMENT_NOT_FOUND") }
      return Payment(
        orderID: 7, status: .created, expiresAt: GoogleProtobuf.Timestamp(microsecondsSince1970: 2_000_000),
        amountMinor: 1999, currency: "EUR")
    } _: { client, metrics in
      let expected = SagaPayment(
        orderID: 7, status: .created, amountMinor: 1999, currency: "EUR",
        expiresAt: Timestamp(microseconds: 2_000_000))
      #expect(await client.payment(ofOrder: 7, deadline: .now() + Self.soon) == .success(expected))
      #expect(await client.payment(ofOrder: 8, deadline: .now() + Self.soon) == .success(nil))
      #expect(metrics.exposition().contains("saga_calls_total{method=\"get\",outcome=\"unknown_order\"} 1"))
      #expect(client.problem == nil)
    }
  }

  @Test(arguments: [true, false])
  func `the saga hears which trace a call is a part of`(isRecorded: Bool) async throws {
    let parent = try #require(TraceContext(traceparent: "00-0000000000000000000000000000000a-00f067aa0ba902b7-01"))
    let tracer = isRecorded ? Tracer(sampler: TraceSampler("always_on"), capacity: 10) : .off
    let heard = HeardTraces()
    try await with(tracer: tracer, heard: heard) { order, reason in
      guard let reason else { throw Self.refusal(.notFound, "PAYMENT_NOT_FOUND") }
      return Payment(orderID: order, status: .completed, reason: reason)
    } _: { client, _ in
      _ = await client.payment(ofOrder: 7, trace: parent, deadline: .now() + Self.soon)
      _ = await client.settle(order: 7, reason: "direct:a", trace: parent, deadline: .now() + Self.soon)
      _ = await client.settle(order: 7, reason: "direct:a", deadline: .now() + Self.soon)
      let spans = tracer.take(10)
      let methods = isRecorded ? ["GetPayment", "UpdatePaymentStatus"] : []
      #expect(spans.map(\.name) == methods.map { "payments.v1.PaymentService/\($0)" })
      #expect(spans.allSatisfy { $0.trace == parent.traceID && $0.parent == parent.spanID && $0.kind == .client })
      #expect(spans.map(\.error) == (isRecorded ? ["NOT_FOUND", nil] : []))
      let passedOn = isRecorded ? spans.map { TraceContext(trace: $0.trace, span: $0.id) } : [parent, parent]
      #expect(heard.all == passedOn + [nil])
    }
  }

  @Test func `many calls are under way at a time`() async throws {
    let arrived = Mutex(0)
    try await with { order, reason in
      arrived.withLock { $0 += 1 }
      while arrived.withLock({ $0 }) < 32 { try await Task.sleep(for: .milliseconds(5)) }
      return Payment(orderID: order, status: .completed, reason: reason ?? "")
    } _: { client, _ in
      let answers = await withTaskGroup(of: SettleAnswer.self) { group in
        for order in 1...64 {
          group.addTask { await client.settle(order: Int64(order), reason: "direct:a", deadline: .now() + Self.soon) }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
      #expect(answers == Array(repeating: .settled, count: 64))
    }
  }

  @Test func `each answer to a settlement has its meaning, and only the saga can say that an order is dead`()
    async throws
  {
    let settled = Mutex<[Int64: String]>([:])
    try await with { order, reason in
      switch order {
      case 1:
        let first = settled.withLock { settled in
          settled[order] = settled[order] ?? reason
          return settled[order]
        }
        return Payment(orderID: 1, status: .completed, reason: first ?? "")
      case 2: throw Self.refusal(.failedPrecondition, "PAYMENT_ALREADY_SETTLED")
      case 3: throw Self.refusal(.notFound, "PAYMENT_NOT_FOUND")
      // A proxy's or another service's word.
      case 4: throw GRPCStatus(.notFound, "no route")
      case 5: throw GRPCStatus(.failedPrecondition, "x", reason: "PAYMENT_ALREADY_SETTLED", domain: "elsewhere")
      case 6: return Payment(orderID: 7, status: .completed, reason: reason ?? "")
      case 7: return Payment(orderID: 7, status: .created, reason: reason ?? "")
      default: throw Self.refusal(.unavailable, "DATABASE_UNAVAILABLE")
      }
    } _: { client, _ in
      func settle(_ order: Int64, _ reason: String = "direct:a") async -> SettleAnswer {
        await client.settle(order: order, reason: reason, deadline: .now() + Self.soon)
      }
      #expect(await settle(1) == .settled)
      #expect(await settle(1) == .settled)
      #expect(await settle(1, "direct:b") == .settledByAnother(reason: "direct:a"))
      #expect(await settle(2) == .refused("said so"))
      #expect(await settle(3) == .unknownOrder)
      for order in Int64(4)...8 {
        guard case .unavailable = await settle(order) else {
          Issue.record("order \(order) has an answer")
          continue
        }
      }
      #expect(client.problem == "UNAVAILABLE: said so")
    }
  }

  @Test func `a saga that does not answer costs a caller no more than the deadline`() async throws {
    var limits = SagaClient.Limits()
    limits.threads = 1
    limits.queue = 2
    // Far apart: tests beside this one may keep its tasks waiting for seconds.
    limits.callTimeout = .seconds(8)
    try await with(limits: limits) { _, _ in
      try await Task.sleep(for: .seconds(120))
      return Payment()
    } _: { client, _ in
      // Told by the order of their ends, not by a clock.
      let ended = await withTaskGroup(of: (Int64, SagaFailure?).self) { calls in
        for (order, limit) in [(Int64(1), Duration.seconds(100)), (2, .milliseconds(300))] {
          calls.addTask {
            let answer = await client.payment(ofOrder: order, deadline: .now() + limit)
            if case .failure(let failure) = answer { return (order, failure) }
            return (order, nil)
          }
        }
        return await calls.reduce(into: []) { $0.append($1) }
      }
      #expect(ended.map(\.0) == [2, 1] && ended.allSatisfy { $0.1 != nil })
      // A full queue refuses at once.
      let many = (0..<8).map { number in
        Task { await client.payment(ofOrder: Int64(number), deadline: .now() + .seconds(2)) }
      }
      var refused = 0
      for task in many {
        if case .failure(let failure) = await task.value, failure.description.contains("too many calls") {
          refused += 1
        }
      }
      #expect(refused >= 5)
    }
  }

  private struct TestFailure: Error {}

  @Test func `a client that is stopped refuses what waits and what comes`() async throws {
    let metrics = MetricsRegistry()
    let address = NetworkAddress(host: "127.0.0.1", port: 1)
    let client = SagaClient(GRPCClient(address: address, userAgent: "test"), metrics: metrics)
    guard case .failure = await client.payment(ofOrder: 1, deadline: .now() + Self.soon) else { throw TestFailure() }
    await onThread { client.stop(until: .now() + Self.soon) }
    guard case .unavailable = await client.settle(order: 1, reason: "x", deadline: .now() + Self.soon) else {
      throw TestFailure()
    }
  }

  @Test func `what the saga does not name may be any amount`() throws {
    let euros = Money(minorUnits: 500, try #require(Currency("EUR")))
    #expect(SagaPayment(orderID: 1, status: .created).expects(euros))
    #expect(SagaPayment(orderID: 1, status: .created, amountMinor: 500, currency: "EUR").expects(euros))
    #expect(!SagaPayment(orderID: 1, status: .created, amountMinor: 501, currency: "EUR").expects(euros))
    #expect(!SagaPayment(orderID: 1, status: .created, currency: "USD").expects(euros))
  }

  @Test func `an order is payable while it is CREATED and time is left`() {
    let now = Timestamp(microseconds: 1_000_000_000)
    let margin = Duration.seconds(300)
    func payment(_ status: SagaPayment.Status, _ expiresAt: Timestamp?) -> SagaPayment {
      SagaPayment(orderID: 1, status: status, expiresAt: expiresAt)
    }
    #expect(payment(.created, nil).isPayable(at: now, margin: margin))
    #expect(payment(.created, now + margin).isPayable(at: now, margin: margin))
    #expect(!payment(.created, now + .seconds(299)).isPayable(at: now, margin: margin))
    #expect(!payment(.completed, nil).isPayable(at: now, margin: margin))
    #expect(!payment(.failed, nil).isPayable(at: now, margin: margin))
  }
}
