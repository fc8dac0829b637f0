import Testing
import Values

@testable import Postgres

@Suite("Whether writing works")
struct WriteHealthTests {
  private let start = Instant(nanoseconds: 1_000_000_000)
  private let slow = DatabaseError(.connectionLost, "it took too long", sqlState: "57014")

  private func healthy() -> WriteHealth {
    var health = WriteHealth()
    health.probed(nil)
    return health
  }

  @Test func nothingIsKnownAtFirst() {
    var health = WriteHealth()
    #expect(health.problem(now: start) != nil)
    health.probed(slow)
    #expect(health.problem(now: start)?.contains("took too long") == true)
    health.probed(nil)
    #expect(health.problem(now: start) == nil)
  }

  @Test func oneSlowProbeIsAnAccidentAndTwoAreNot() {
    var health = healthy()
    health.probed(slow)
    #expect(health.problem(now: start) == nil)
    health.probed(slow)
    #expect(health.problem(now: start)?.contains("57014") == true)
    health.probed(nil)
    health.probed(slow)
    #expect(health.problem(now: start) == nil)
  }

  @Test func withoutASessionThereIsNoWriting() {
    var health = healthy()
    health.probed(DatabaseError(.unavailable, "the database did not come back in time"))
    #expect(health.problem(now: start) != nil)
  }

  @Test func refusalsCountTogetherAndForAWhile() {
    var health = healthy()
    health.refused("disk full", now: start)
    health.probed(nil)
    #expect(health.problem(now: start) == nil)
    health.refused("disk full", now: start + .seconds(9))
    health.probed(nil)
    #expect(health.problem(now: start + .seconds(18)) == "disk full")
    #expect(health.problem(now: start + .seconds(19)) == nil)
    // The next is the first of a new series.
    health.refused("disk full", now: start + .seconds(30))
    #expect(health.problem(now: start + .seconds(30)) == nil)
  }

  @Test func whatIsTheStatementsOwnFaultIsNoRefusal() {
    func isRefusal(_ state: String?) -> Bool { WriteHealth.isRefusal(DatabaseError(.server, "x", sqlState: state)) }
    for state in ["53100", "53200", "58030", "XX000", "25006", "42501", "42P01"] { #expect(isRefusal(state)) }
    for state in [nil, "23505", "22003", "40001", "40P01", "55P03", "57014", "42P07", "26000"] {
      #expect(!isRefusal(state))
    }
  }
}
