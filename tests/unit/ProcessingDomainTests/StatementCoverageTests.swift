import ProcessingDomain
import Testing
import Values

struct StatementCoverageTests {
  private func time(_ hours: Int) -> Timestamp { Timestamp(microseconds: Int64(hours) * 3_600_000_000) }
  private func coverage(_ periods: [(Int, Int)]) -> StatementCoverage {
    StatementCoverage(periods.map { time($0.0)...time($0.1) })
  }
  private func gaps(_ periods: [(Int, Int)], _ from: Int, _ to: Int) -> [[Int64]] {
    coverage(periods).gaps(in: time(from)..<time(to)).map {
      [$0.lowerBound.microseconds / 3_600_000_000, $0.upperBound.microseconds / 3_600_000_000]
    }
  }

  @Test func `statements that touch or overlap cover what is between, in any order`() {
    #expect(gaps([(24, 48), (0, 24), (40, 72)], 0, 72) == [])
    #expect(coverage([(24, 48), (0, 24)]).covered.count == 1)
    #expect(gaps([(0, 72), (10, 20)], 0, 72) == [])
  }

  @Test func `what no statement covers is a gap, at the beginning, between and at the end`() {
    #expect(gaps([(24, 48), (72, 96)], 0, 120) == [[0, 24], [48, 72], [96, 120]])
    #expect(gaps([], 0, 24) == [[0, 24]])
    #expect(gaps([(-24, 200)], 0, 24) == [])
    #expect(gaps([(100, 200)], 0, 24) == [[0, 24]])
    #expect(gaps([(-48, -24), (0, 1)], 0, 1) == [])
  }

  @Test func `a day is covered by one stretch alone, and a moment of it that is missing is enough`() {
    #expect(coverage([(0, 24), (24, 48)]).covers(time(24)..<time(48)))
    #expect(!coverage([(0, 24), (25, 48)]).covers(time(24)..<time(48)))
    #expect(!coverage([]).covers(time(0)..<time(24)))
  }
}
