import Testing
import Values

@testable import HTTP2

struct TokenBucketTests {
  private let start = Instant(nanoseconds: 1_000_000_000_000)

  @Test func theBurstIsSpentOnceAndThenComesBackWithTime() {
    var bucket = TokenBucket(burst: 3, perSecond: 2, now: start)
    var taken: [Bool] = []
    for _ in 0..<4 { taken.append(bucket.spend(start)) }
    #expect(taken == [true, true, true, false])
    let halfway = bucket.spend(start + .milliseconds(499))
    let first = bucket.spend(start + .milliseconds(500))
    let second = bucket.spend(start + .milliseconds(500))
    #expect([halfway, first, second] == [false, true, false])
  }

  @Test func neitherTimeNorCreditFillItBeyondTheBurst() {
    var bucket = TokenBucket(burst: 3, perSecond: 1_000, now: start)
    bucket.credit(100)
    var taken = 0
    while bucket.spend(start) { taken += 1 }
    #expect(taken == 3)
    while bucket.spend(start + .seconds(86_400)) { taken += 1 }
    #expect(taken == 6)
    bucket.credit(2)
    while bucket.spend(start + .seconds(86_400)) { taken += 1 }
    #expect(taken == 8)
  }
}
