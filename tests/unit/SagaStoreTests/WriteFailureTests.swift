import GroupCommit
import SagaDomain
import Testing

@testable import SagaStore

@Suite struct WriteFailureTests {
  private func error(
    _ reason: GroupCommitFailure.Reason, mayHaveHappened: Bool = false, isDatabaseAway: Bool = false
  ) -> PaymentError {
    PaymentError(GroupCommitFailure(reason, mayHaveHappened: mayHaveHappened), isDatabaseAway: isDatabaseAway)
  }

  @Test func `a call that did not run says that nothing was done`() {
    let late = error(.timeUp(isDeadline: true))
    #expect(late.code == .unavailable && late.isDeadlinePassed)
    #expect(!error(.timeUp(isDeadline: false)).isDeadlinePassed)
    #expect(late.message == "the database did not answer in time; nothing was done")
    #expect(error(.stopped).message == "the server is shutting down; nothing was done")
    let overloaded = error(.overloaded(queue: 16_384))
    #expect(overloaded.code == .overloaded)
    #expect(overloaded.message == "more than 16384 calls are waiting; nothing was done")
  }

  @Test func `a call that may have happened says that its outcome is unknown`() {
    for reason in [GroupCommitFailure.Reason.timeUp(isDeadline: false), .stopped] {
      #expect(error(reason, mayHaveHappened: true).code == .outcomeUnknown)
    }
    #expect(error(.timeUp(isDeadline: true), mayHaveHappened: true).isDeadlinePassed)
  }

  @Test func `a database that is away is told rather than the deadline`() {
    let late = GroupCommitFailure.Reason.timeUp(isDeadline: true)
    for mayHaveHappened in [false, true] {
      let told = error(late, mayHaveHappened: mayHaveHappened, isDatabaseAway: true)
      #expect(!told.isDeadlinePassed)
      #expect(told.code == (mayHaveHappened ? .outcomeUnknown : .unavailable))
    }
  }
}
