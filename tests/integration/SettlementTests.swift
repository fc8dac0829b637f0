import DirectDomain
import Postgres
import ProcessingDomain
import ProcessingStore
import Testing
import Values

@Suite("Settlements", .needsDatabase)
struct SettlementTests {
  typealias House = ProcessingStoreTests.House

  @Test func `a payment of an order leaves a settlement when it is completed, and no other does`() throws {
    try House.with { house, schema in
      let ids = try claim(house, schema, orders: [77, nil, 78])
      _ = try answer(ids, [.approved, .approved, .declined], house)
      let rows = try house.connection.run(
        Command(Statement("SELECT payment_id, order_id FROM \(schema).settlement")))
      #expect(try rows.only.uuid(0) == ids[0])
      #expect(try rows.only.int64(1) == 77)
      // The answer again, with the settlement done: nothing comes back.
      try house.connection.script("DELETE FROM \(schema).settlement")
      _ = try answer(ids, [.approved, .approved, .declined], house)
      #expect(try house.connection.int("SELECT count(*) FROM \(schema).settlement") == 0)
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
