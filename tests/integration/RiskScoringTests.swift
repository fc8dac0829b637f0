import DirectDomain
import Money
import Postgres
import RiskDomain
import RiskStore
import Testing
import Values

/// Requests that are scored and not executed.
@Suite("Risk of requests", .needsDatabase)
struct RiskScoringTests {
  typealias House = ProcessingStoreTests.House

  private func with(_ rules: RiskRules, _ body: (RiskScoring, House) throws -> Void) throws {
    try House.with(risk: rules) { house, _ in
      try body(RiskScoring(house.risk, book: RiskBook(house.risk, rules: rules)), house)
    }
  }

  private func request(
    _ number: UInt64, _ amount: String = "1", user: UInt64 = 1, method: UInt64 = 1
  ) throws -> ScoringRequest {
    ScoringRequest(
      requestID: UniqueID(high: 8, low: number), userID: UniqueID(high: 7, low: user),
      payeeID: UniqueID(high: 7, low: 99), paymentMethodID: UniqueID(high: 9, low: method),
      amount: try SixPlaceAmount(amount), currency: ProcessingStoreTests.euro)
  }

  private func scores(_ house: House) throws -> [UniqueID: Int] {
    let sql = """
      SELECT r.request_id, d.score FROM \(house.riskSchema).scored_request r
      JOIN \(house.riskSchema).decision d ON d.payment_id = r.decision_id
      """
    var scores: [UniqueID: Int] = [:]
    for row in try house.connection.run(Command(Statement(sql))) {
      scores[try row.uuid(Column.requestID)] = try row.int(Column.score)
    }
    return scores
  }

  private enum Column: Int, AnswerColumn { case requestID, score }

  @Test func `a request is scored once, by its amount in minor units, and can be replayed`() throws {
    try with(House.byAmount) { scoring, house in
      let requests = [try request(1, "1"), try request(2, "1.000001"), try request(3, "99999999999999.999999")]
      #expect(
        try scoring.score([requests[0], requests[1], requests[0]], on: house.connection) == [true, true, false])
      #expect(try scoring.score([requests[1], requests[2]], on: house.connection) == [false, true])
      let ids = requests.map(\.requestID)
      #expect(try scores(house) == [ids[0]: 0, ids[1]: 65, ids[2]: 99])
      let amount = "SELECT amount::text FROM \(house.riskSchema).scored_request WHERE request_id = $1"
      let stored = try house.connection.run(Command(Statement(amount), [.uuid(ids[2])])).only.text(0)
      #expect(stored == "99999999999999.999999")
      try RiskDecisions(house.risk).replay(on: house.connection) { count, findings in
        #expect(count == 3 && findings.isEmpty)
        return true
      }
    }
  }

  @Test func `requests of a payment method count for each other`() throws {
    let rules = RiskRules(rules: [
      RiskRule(name: "two", points: 50, limit: RiskLimit(.account, .count(in: .minute, above: 2)))
    ])
    try with(rules) { scoring, house in
      let requests = try (1...3).map { try request($0, user: $0) }
      let new = try scoring.score(requests + [try request(4, method: 2)], on: house.connection)
      #expect(new == [true, true, true, true])
      let found = try scores(house)
      #expect(requests.map { found[$0.requestID] } == [0, 0, 50])
      #expect(found[UniqueID(high: 8, low: 4)] == 0)
    }
  }

  @Test func `a request is scored without features when they cannot be had`() throws {
    try with(House.byAmount) { scoring, house in
      try house.connection.run(Command(Statement("DROP TABLE \(house.riskSchema).listed")))
      #expect(try scoring.score([try request(1)], on: house.connection) == [true])
      let reasons = "SELECT array_to_string(reasons, ',') FROM \(house.riskSchema).decision"
      #expect(try house.connection.run(Command(Statement(reasons))).only.text(0) == "features_unavailable")
    }
  }
}
