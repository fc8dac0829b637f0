import Testing

@testable import Postgres

@Suite("Outcome of a run whose connection was lost")
struct LossVerdictTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let verdict: LossVerdict
    let expected: Bool

    init(
      _ name: String, _ effects: [Statement.Effect], inTransaction: Bool = false, sent: Int? = nil, sync: Bool = true,
      answered: Int = 0, farewell: Bool = false, mayHaveCommitted: Bool
    ) {
      testDescription = name
      verdict = LossVerdict(
        effects: effects, wasInTransaction: inTransaction, sent: sent ?? effects.count, syncSent: sync,
        answered: answered, serverSaidFarewell: farewell)
      expected = mayHaveCommitted
    }
  }

  @Test(arguments: [
    Case("implicit write, all sent", [.mayWrite], mayHaveCommitted: true),
    Case("implicit write, no Sync sent", [.mayWrite, .mayWrite], sent: 1, sync: false, mayHaveCommitted: false),
    Case("reads alone", [.reads, .reads], mayHaveCommitted: false),
    Case("within an open transaction", [.mayWrite], inTransaction: true, mayHaveCommitted: false),
    Case("COMMIT of an open transaction", [.commits], inTransaction: true, mayHaveCommitted: true),
    Case("write and COMMIT sent", [.begins, .mayWrite, .commits], mayHaveCommitted: true),
    Case("COMMIT not sent", [.begins, .mayWrite, .commits], sent: 2, sync: false, mayHaveCommitted: false),
    Case("BEGIN without COMMIT", [.begins, .mayWrite], mayHaveCommitted: false),
    Case("BEGIN takes in what came before", [.mayWrite, .begins], mayHaveCommitted: false),
    Case("rolled back", [.begins, .mayWrite, .rollsBack], mayHaveCommitted: false),
    Case("write after ROLLBACK", [.rollsBack, .mayWrite], inTransaction: true, mayHaveCommitted: true),
    Case(
      "farewell before COMMIT", [.begins, .mayWrite, .commits], answered: 1, farewell: true, mayHaveCommitted: false),
    Case("farewell at COMMIT", [.begins, .mayWrite, .commits], answered: 2, farewell: true, mayHaveCommitted: true),
    Case(
      "farewell in an implicit write", [.mayWrite, .mayWrite], answered: 1, farewell: true, mayHaveCommitted: false),
    Case("farewell at the Sync", [.mayWrite, .mayWrite], answered: 2, farewell: true, mayHaveCommitted: true),
  ])
  func verdicts(_ example: Case) {
    #expect(example.verdict.mayHaveCommitted == example.expected)
  }

  @Test(arguments: [
    ("BEGIN", Statement.Effect.begins), ("start transaction isolation level serializable", .begins),
    ("commit;", .commits), ("END", .commits), ("ROLLBACK", .rollsBack), ("abort", .rollsBack),
    ("ROLLBACK TO SAVEPOINT a", .mayWrite), ("SELECT 1", .mayWrite), ("", .mayWrite), ("  \n COMMIT", .commits),
  ])
  func effectsFollowTheFirstWord(sql: String, effect: Statement.Effect) {
    #expect(Statement(sql).effect == effect)
  }

  @Test func readOnlyIsAPromiseOfTheCaller() {
    #expect(Statement("SELECT 1", isReadOnly: true).effect == .reads)
    #expect(Statement("COMMIT", isReadOnly: true).effect == .commits)
  }
}
