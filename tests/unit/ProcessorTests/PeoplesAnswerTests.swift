import Testing

@testable import GroupCommit
@testable import Postgres
@testable import Processor

/// What a person is told whose wish the database did not carry out.
@Suite struct PeoplesAnswerTests {
  @Test func `what can be done later is no fault of the tables`() {
    func answer(_ error: DatabaseError, mayHaveHappened: Bool = false) -> PaymentAnswer {
      PaymentProcessor.answer(to: GroupCommitFailure(.refused(error), mayHaveHappened: mayHaveHappened))
    }
    // A row that is locked, a standby, a full disk.
    for state in ["55P03", "25006", "53100"] {
      let error = DatabaseError(.server, "refused", sqlState: state)
      #expect(answer(error) == .unavailable(mayHaveHappened: false))
      #expect(answer(error, mayHaveHappened: true) == .unavailable(mayHaveHappened: true))
    }
    #expect(answer(DatabaseError(.server, "no such column", sqlState: "42703")) != .unavailable(mayHaveHappened: false))
  }
}
