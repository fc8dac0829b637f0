import Testing
import Values

@testable import OutboxKafka

@Suite struct ProducerFailuresTests {
  private func at(_ seconds: Int) -> Instant { Instant(nanoseconds: 1_000_000_000_000) + .seconds(seconds) }

  @Test func `a producer that lives on is forgiven its predecessors without an acknowledgement`() {
    var failures = ProducerFailures()
    let isFirst = failures.note("Cluster authorization failed", at: at(0))
    let isAgainFirst = failures.note("Cluster authorization failed", at: at(9))
    #expect(isFirst && !isAgainFirst)
    failures.look(isConnected: true, at: at(23))
    #expect(failures.count == 2 && failures.reason == "Cluster authorization failed")
    failures.look(isConnected: true, at: at(24))
    #expect(failures.count == 0 && failures.reason == nil)
    let isFirstAfterwards = failures.note("Cluster authorization failed", at: at(30))
    #expect(isFirstAfterwards)
  }

  @Test func `the longest wait between two producers is shorter than the probation`() {
    #expect(ProducerFailures.longestWait < ProducerFailures.probation)
  }

  @Test func `without a broker nothing is forgiven`() {
    var failures = ProducerFailures()
    _ = failures.note("Cluster authorization failed", at: at(0))
    failures.look(isConnected: false, at: at(100))
    #expect(failures.reason != nil)
    failures.succeed()
    #expect(failures.reason == nil && failures.count == 0)
  }
}
