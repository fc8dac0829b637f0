import DirectDomain
import Metrics
import Money
import Postgres
import ProcessingDomain
import ProcessingStore
import Runtime
import SagaClient
import Synchronization
import Testing
import Tracing
import Values

@testable import ProcessingOrders

/// A saga that settles as the real one does: the first reason counts.
private final class FakeSaga: SagaAsking {
  private struct State {
    var reasons: [Int64: String] = [:]
    var answers: [Int64: [SettleAnswer]] = [:]
    var calls: [Int64: Int] = [:]
    var underWay = 0
  }
  private let state = Mutex(State())
  private let waitsFor: Int
  private let gate = Gate()

  /// - Parameter waitsFor: how many calls there must be under way at a time before any is answered.
  init(waitsFor: Int = 0) { self.waitsFor = waitsFor }

  /// The next answers to an order, before it is settled.
  func plan(_ order: Int64, _ answers: [SettleAnswer]) { state.withLock { $0.answers[order] = answers } }

  func calls(_ order: Int64) -> Int { state.withLock { $0.calls[order] ?? 0 } }

  func payment(
    ofOrder order: Int64, trace: TraceContext?, deadline: Instant
  ) async -> Result<SagaPayment?, SagaFailure> { .success(nil) }

  func settle(order: Int64, reason: String, trace: TraceContext?, deadline: Instant) async -> SettleAnswer {
    if waitsFor > 0 {
      let underWay = state.withLock { state in
        state.underWay += 1
        return state.underWay
      }
      if underWay == waitsFor { gate.open() }
      await gate.pass()
    }
    return state.withLock { state in
      state.calls[order, default: 0] += 1
      if let next = state.answers[order]?.first {
        state.answers[order]?.removeFirst()
        return next
      }
      let first = state.reasons[order] ?? reason
      state.reasons[order] = first
      return first == reason ? .settled : .settledByAnother(reason: first)
    }
  }
}

@Suite("Settlements", .needsDatabase)
struct SettlementTests {
  typealias House = ProcessingStoreTests.House

  @Test func `a payment of an order leaves a settlement when it is completed, and no other does`() throws {
    try House.with { house, schema in
      let ids = try claim(house, schema, orders: [77, nil, 78])
      _ = try answer(ids, [.approved, .approved, .declined], house)
      let rows = try house.connection.run(
        Command(Statement("SELECT payment_id, order_id FROM \(schema).settlement")))
      let row = try #require(rows.first)
      #expect(try rows.count == 1 && row.uuid(0) == ids[0] && row.int64(1) == 77)
      // The answer again, with the settlement done: nothing comes back.
      try house.connection.script("DELETE FROM \(schema).settlement")
      _ = try answer(ids, [.approved, .approved, .declined], house)
      #expect(try house.connection.int("SELECT count(*) FROM \(schema).settlement") == 0)
    }
  }

  /// Asks the saga. Other tests keep Swift's pool busy for longer than a round waits.
  private static let loop: EventLoop = {
    let loop = EventLoop(name: "saga")
    loop.start()
    return loop
  }()

  private func settler(
    _ schema: String, _ saga: FakeSaga, metrics: MetricsRegistry = MetricsRegistry()
  ) throws -> OrderSettler {
    var rules = SettlementRules()
    rules.firstPause = .milliseconds(20)
    rules.longestPause = .milliseconds(50)
    rules.unknownPatience = .milliseconds(200)
    let connection = SerialConnection(
      try TestDatabase.configuration(schema: schema), logger: TestDatabase.quiet, stop: StopFlag())
    return OrderSettler(
      connection, store: SettlementStore(ProcessingTables(schema: schema)), saga: saga, on: Self.loop, rules: rules,
      policy: .hold, logger: TestDatabase.quiet, metrics: metrics)
  }

  @Test func `orders are settled for as long as that takes, and dead ones are exceptions`() async throws {
    try await blocking { [self] in
      try House.with { house, schema in
        let ids = try claim(house, schema, orders: [1, 2, 3, 4, 5])
        _ = try answer(ids, ids.map { _ in .approved }, house)
        let saga = FakeSaga()
        let away = SettleAnswer.unavailable(SagaFailure("away\u{0}"))
        saga.plan(1, [away, away, .unknownOrder, away])
        saga.plan(2, [.settledByAnother(reason: "cash")])
        saga.plan(3, [.refused("FAILED")])
        saga.plan(4, Array(repeating: .unknownOrder, count: 1_000))
        let metrics = MetricsRegistry()
        // Two of them do not disturb each other.
        let settlers = [try settler(schema, saga, metrics: metrics), try settler(schema, saga, metrics: metrics)]
        for settler in settlers { settler.start() }
        let settled = Instant.now() + .seconds(60)
        while try house.connection.int("SELECT count(*) FROM \(schema).settlement, pg_sleep(0.01)") > 0 {
          try #require(Instant.now() < settled)
          for settler in settlers { settler.wake() }
        }
        for settler in settlers { settler.stop(until: .now() + .seconds(5)) }
        #expect(saga.calls(1) == 5 && saga.calls(2) == 1 && saga.calls(3) == 1 && saga.calls(5) == 1)
        #expect(saga.calls(4) > 2)
        let open = try ExceptionStore(ProcessingTables(schema: schema)).list(limit: 10, on: house.connection)
        #expect(Set(open.map(\.orderID)) == [2, 3, 4])
        #expect(open.allSatisfy { $0.kind == "order_dead" && $0.state == "COMPLETED" })
        #expect(open.first { $0.orderID == 3 }?.detail == "order 3 cannot be settled: FAILED")
        #expect(open.first?.amount == Money(minorUnits: 100, ProcessingStoreTests.euro))
        #expect(metrics.exposition().contains("direct_settlements_total{outcome=\"settled\"} 2"))
        #expect(metrics.exposition().contains("direct_settlements_total{outcome=\"order_dead\"} 3"))
        // Whoever is alarmed by metrics sees them, too. A count that fails is made again after ten seconds by itself.
        let watch = ExceptionWatch(
          SerialConnection(try TestDatabase.configuration(), logger: TestDatabase.quiet, stop: StopFlag()),
          store: ExceptionStore(ProcessingTables(schema: schema)), logger: TestDatabase.quiet, metrics: metrics)
        let counted = Instant.now() + .seconds(60)
        repeat {
          try #require(Instant.now() < counted)
          watch.run()
        } while !metrics.exposition().contains("direct_exceptions_open{kind=\"order_dead\"} 3")
      }
    }
  }

  @Test func `a round settles many orders side by side, and the next follows at once`() async throws {
    try await blocking { [self] in
      try House.with { house, schema in
        let batch = OrderSettler.batch
        #expect(batch >= 64)
        try house.connection.script(
          """
          INSERT INTO \(schema).settlement (payment_id, order_id)
          SELECT gen_random_uuid(), number FROM generate_series(1, \(batch + 10)) number
          """)
        let settler = try settler(schema, FakeSaga(waitsFor: batch))
        #expect(settler.run() == .zero && settler.run() == .zero)
        #expect(try house.connection.int("SELECT count(*) FROM \(schema).settlement") == 0)
        #expect(settler.run() > .zero)
      }
    }
  }

  @Test func `what one process has taken no other takes, and it comes back`() throws {
    try House.with { house, schema in
      let ids = try claim(house, schema, orders: [1, 2, 3])
      _ = try answer(ids, ids.map { _ in .approved }, house)
      let store = SettlementStore(ProcessingTables(schema: schema))
      let first = try store.take(limit: 2, for: .milliseconds(300), on: house.connection)
      #expect(first.count == 2 && first.allSatisfy { $0.attempts == 1 && $0.unknownFor == .zero })
      #expect(try store.take(limit: 9, for: .seconds(60), on: house.connection).count == 1)
      #expect(try store.take(limit: 9, for: .seconds(60), on: house.connection).isEmpty)
      #expect(try store.waiting(on: house.connection).count == 3)
      var again: [Settlement] = []
      let deadline = Instant.now() + .seconds(20)
      while again.count < 2, Instant.now() < deadline {
        again += try store.take(limit: 9, for: .seconds(60), on: house.connection)
      }
      #expect(Set(again.map(\.paymentID)) == Set(first.map(\.paymentID)))
      #expect(again.allSatisfy { $0.attempts == 2 })
      // Only the time after the saga has said that it does not know the order counts, and no outage.
      let pause = Duration.microseconds(7)
      let one = try #require(again.first)
      try store.write([(one, .again(after: pause, error: "x", isUnknown: true))], on: house.connection)
      let unknown = try #require(try store.take(limit: 9, for: .zero, on: house.connection).first)
      try store.write([(unknown, .again(after: pause, error: "y", isUnknown: false))], on: house.connection)
      let later = try #require(try store.take(limit: 9, for: .zero, on: house.connection).first)
      #expect(unknown.paymentID == one.paymentID && later.paymentID == one.paymentID)
      #expect(unknown.unknownFor == pause && later.unknownFor == pause)
      // An end that somebody else has written stays.
      try store.write([(later, .finished)], on: house.connection)
      try store.write([(later, .dead(detail: "late"))], on: house.connection)
      #expect(try house.connection.int("SELECT count(*) FROM \(schema).exception") == 0)
    }
  }

  /// Claims a payment for each order.
  private func claim(_ house: House, _ schema: String, orders: [Int64?]) throws -> [UniqueID] {
    let new = orders.indices.map { house.new(UInt64($0) + 1) }
    guard case .done(let results) = try house.store.claim(new, by: house.claim, on: house.connection) else { return [] }
    let ids = results.compactMap { if case .looked(let step) = $0 { step.stored.payment.id } else { nil } }
    for (id, order) in zip(ids, orders) {
      guard let order else { continue }
      try house.connection.script("UPDATE \(schema).payment SET order_id = \(order) WHERE id = '\(id)'")
    }
    _ = try house.store.apply(
      ids.map { StepRequest($0, .ask(by: house.claim, after: nil)) }, by: house.claim, on: house.connection)
    return ids
  }

  /// Lets the bank answer.
  private func answer(_ ids: [UniqueID], _ answers: [BankAnswer], _ house: House) throws -> [RequestResult] {
    let steps = zip(ids, answers).map { StepRequest($0, .charged($1, askedAt: .now())) }
    guard case .done(let results) = try house.store.apply(steps, by: nil, on: house.connection) else { return [] }
    return results
  }
}
