import Testing

@testable import SagaStore

@Suite struct CallProgressTests {
  @Test func aCallThatWaitsHasNotHappened() {
    var progress = CallProgress()
    #expect(!progress.mayHaveHappened)
    #expect(progress.begin() && progress.mayHaveHappened)
    progress.end(isUnknown: false)
    #expect(!progress.mayHaveHappened && !progress.isUnknown)
  }

  @Test func whatIsNotKnownStaysUnknown() {
    var progress = CallProgress()
    _ = progress.begin()
    progress.end(isUnknown: true)
    #expect(progress.mayHaveHappened && progress.isUnknown)
    // Another attempt that came to nothing says nothing of the first.
    _ = progress.begin()
    progress.end(isUnknown: false)
    #expect(progress.mayHaveHappened)
  }

  @Test func aCallerIsToldOnceAndThenTheCallCannotBegin() {
    var progress = CallProgress()
    #expect(progress.answer() && !progress.answer())
    #expect(progress.isAnswered && !progress.begin() && !progress.mayHaveHappened)
  }
}
