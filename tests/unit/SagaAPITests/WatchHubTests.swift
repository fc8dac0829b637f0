import Metrics
import Runtime
import SagaDomain
import Testing
import Values

@testable import SagaAPI

struct WatchHubTests {
  private func payment(_ order: Int64, version: Int64) -> Payment {
    Payment(
      id: order, orderID: order, status: version > 1 ? .completed : .created, reason: "", version: version,
      amountMinor: 0, currency: "", idempotentKey: nil, createdAt: Timestamp(microseconds: 0),
      updatedAt: Timestamp(microseconds: version), expiresAt: nil)
  }

  private func withHub(_ load: @escaping WatchHub.Load, _ body: (WatchHub) async throws -> Void) async rethrows {
    let hub = WatchHub(metrics: MetricsRegistry())
    hub.start(load)
    defer { hub.stop(until: .now()) }
    try await body(hub)
  }

  @Test func `a wake-up is read for all watched payments at once and reaches each watcher`() async throws {
    let asked = Monitor<[[Int64]]>([])
    try await withHub { orders in
      asked.update { $0.append(orders.sorted()) }
      return FoundPayments(orders.map { payment($0, version: 2) })
    } _: { hub in
      let first = try #require(hub.watch(orderID: 1))
      let second = try #require(hub.watch(orderID: 1))
      let other = try #require(hub.watch(orderID: 2))
      hub.wake()
      for (changes, order) in [(first, Int64(1)), (second, 1), (other, 2)] {
        var iterator = changes.makeAsyncIterator()
        #expect(try await iterator.next()?.get() == payment(order, version: 2))
      }
      #expect(asked.withLock { $0.contains([1, 2]) })
    }
  }

  @Test func `a watcher that does not read holds the newest state only`() async throws {
    let version = Monitor(Int64(0))
    try await withHub { orders in
      let next = version.update { value -> Int64 in
        value += 1
        return value
      }
      return FoundPayments(orders.map { payment($0, version: next) })
    } _: { hub in
      let changes = try #require(hub.watch(orderID: 1))
      for wanted in Int64(1)...6 {
        hub.wake()
        #expect(version.wait(until: .now() + .seconds(10)) { $0 >= wanted ? true : nil } == true)
      }
      hub.stop(until: .now())
      var kept: [Int64] = []
      for await change in changes { kept.append(try change.get().version) }
      // The sixth read began after the fifth was handed out.
      #expect(kept.count == 1 && kept.allSatisfy { $0 >= 5 })
    }
  }

  @Test func `a payment that cannot be read fails its own watch`() async throws {
    try await withHub { orders in
      FoundPayments(
        orders.filter { $0 != 2 }.map { payment($0, version: 2) },
        unreadable: [UnreadablePayment(id: 2, orderID: 2, fault: "status is REFUNDED")])
    } _: { hub in
      let (sound, unreadable) = (try #require(hub.watch(orderID: 1)), try #require(hub.watch(orderID: 2)))
      hub.wake()
      var (first, second) = (sound.makeAsyncIterator(), unreadable.makeAsyncIterator())
      #expect(try await first.next()?.get().orderID == 1)
      let error = await #expect(throws: PaymentError.self) { try await second.next()?.get() }
      #expect(error?.code == .internal)
    }
  }

  @Test func `beyond the limit nobody watches until somebody leaves`() async throws {
    try await withHub { _ in
      FoundPayments()
    } _: { hub in
      var watching = try (0..<WatchHub.limit).map { order in try #require(hub.watch(orderID: Int64(order % 7))) }
      #expect(hub.watch(orderID: 1) == nil)
      watching.removeLast()
      let again = try #require(hub.watch(orderID: 1))
      #expect(hub.watch(orderID: 1) == nil)
      withExtendedLifetime((watching, again)) {}
    }
  }

  @Test func `the end finishes every watch and takes no new one`() async throws {
    try await withHub { _ in
      FoundPayments()
    } _: { hub in
      let changes = try #require(hub.watch(orderID: 1))
      hub.stop(until: .now())
      for await _ in changes { Issue.record("nothing had changed") }
      #expect(hub.watch(orderID: 1) == nil)
    }
  }
}
