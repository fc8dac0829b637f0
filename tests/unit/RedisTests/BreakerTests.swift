import Redis
import Testing
import Values

@Suite struct BreakerTests {
  private let start = Instant(nanoseconds: 1_000_000_000)

  @Test func aFailureCostsOneTryARest() {
    var breaker = RedisBreaker(rest: .seconds(1), limit: .seconds(3))
    expect(&breaker, true, at: start)
    breaker.failed(at: start)
    #expect(breaker.state == .open(until: start + .seconds(1)))
    expect(&breaker, false, at: start + .milliseconds(999))
    // One try, and nobody else while it is under way.
    expect(&breaker, true, at: start + .seconds(1))
    expect(&breaker, false, at: start + .seconds(100))
    breaker.failed(at: start + .seconds(2))
    #expect(breaker.state == .open(until: start + .seconds(4)))
    expect(&breaker, true, at: start + .seconds(4))
    breaker.failed(at: start + .seconds(5))
    #expect(breaker.state == .open(until: start + .seconds(8)))  // the limit
  }

  @Test func successClosesItAndForgetsTheLongRest() {
    var breaker = RedisBreaker(rest: .seconds(1), limit: .seconds(60))
    breaker.failed(at: start)
    expect(&breaker, true, at: start + .seconds(1))
    breaker.failed(at: start + .seconds(1))
    expect(&breaker, true, at: start + .seconds(3))
    breaker.succeeded()
    #expect(breaker.state == .closed)
    expect(&breaker, true, at: start)
    breaker.failed(at: start)
    #expect(breaker.state == .open(until: start + .seconds(1)))
  }

  private func expect(
    _ breaker: inout RedisBreaker, _ allowed: Bool, at now: Instant, _ place: Testing.SourceLocation = #_sourceLocation
  ) {
    let answer = breaker.allows(at: now)
    #expect(answer == allowed, sourceLocation: place)
  }
}
