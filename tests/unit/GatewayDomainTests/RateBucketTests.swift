import Testing
import Values

@testable import GatewayDomain

@Suite("Rate of calls")
struct RateBucketTests {
  private let start = Instant(nanoseconds: 1_000_000_000_000)

  @Test func `a second's calls may be made at once, and come back evenly`() {
    var bucket = RateBucket()
    #expect(bucket.take(4, of: 10, at: start) == RateGrant(granted: 4, remaining: 6, wait: .zero))
    #expect(bucket.take(9, of: 10, at: start) == RateGrant(granted: 6, remaining: 0, wait: .milliseconds(100)))
    let soon = start + .milliseconds(99)
    #expect(bucket.take(1, of: 10, at: soon) == RateGrant(granted: 0, remaining: 0, wait: .milliseconds(1)))
    #expect(bucket.take(1, of: 10, at: soon + .milliseconds(1)).granted == 1)
    #expect(!bucket.isFull(at: soon))
    #expect(bucket.take(20, of: 10, at: start + .seconds(60)).granted == 10)
    #expect(bucket.isFull(at: start + .seconds(61)))
  }

  @Test(arguments: [1, 3, 7, 999, 300_000, 1_000_000])
  func `over any time no more than the rate, and one bucket`(rate: Int) {
    var bucket = RateBucket()
    var granted = 0
    var now = start
    var generator = SystemRandomNumberGenerator()
    while now < start + .seconds(10) {
      granted += bucket.take(Int.random(in: 0...(rate / 20 + 1), using: &generator), of: rate, at: now).granted
      now = now + .microseconds(Int64.random(in: 0...20_000, using: &generator))
    }
    #expect(granted <= rate * 11 + rate / 100 + 1 && granted >= rate * 8)
  }

  @Test func `a clock that goes back and a rate that is lowered leave no debt for ever`() {
    var bucket = RateBucket()
    _ = bucket.take(5, of: 5, at: start + .seconds(3_600))
    let grant = bucket.take(1, of: 5, at: start)
    #expect(grant.granted == 0 && grant.wait == .milliseconds(200))
    #expect(bucket.take(1, of: 5, at: start + .milliseconds(200)).granted == 1)
  }
}
