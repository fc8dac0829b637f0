import Testing
import Values

@testable import Bank

/// The largest number each time: pauses are as long as they get.
private struct Longest: RandomNumberGenerator {
  mutating func next() -> UInt64 { .max }
}

@Suite struct BankBreakerTests {
  private var random = Longest()
  private let start = Instant(nanoseconds: 1_000_000_000_000)

  /// Takes a slot, calls, and ends the call.
  private mutating func call(
    _ breaker: inout BankBreaker, _ outcome: BankBreaker.Outcome, at now: Instant? = nil
  ) -> BankBreaker.Change? {
    guard breaker.reserve(1) == 1 else { return nil }
    let pass = breaker.begin(at: start)
    return breaker.end(pass, outcome, at: now ?? start, using: &random)
  }

  private mutating func opened(slots: Int = 10) -> BankBreaker {
    var breaker = BankBreaker(slots: slots)
    for _ in 0..<BankBreaker.threshold { _ = call(&breaker, .failed) }
    return breaker
  }

  @Test mutating func `as many calls as there are slots are under way`() {
    var breaker = BankBreaker(slots: 3)
    #expect(breaker.reserve(2) == 2)
    #expect(breaker.reserve(5) == 1)
    #expect(breaker.reserve(1) == 0 && breaker.free == 0)
    let pass = breaker.begin(at: start)
    breaker.release(2)
    #expect(breaker.free == 2 && breaker.calling == 1)
    #expect(breaker.end(pass, .answered, at: start, using: &random) == nil)
    #expect(breaker.free == 3 && breaker.taken == 0 && breaker.calling == 0)
    #expect(breaker.reserve(0) == 0 && breaker.reserve(-1) == 0)
  }

  @Test mutating func `failures in a row open it, an answer between them starts anew`() {
    var breaker = BankBreaker(slots: 10)
    for _ in 0..<BankBreaker.threshold - 1 { #expect(call(&breaker, .failed) == nil) }
    #expect(call(&breaker, .answered) == nil)
    for _ in 0..<BankBreaker.threshold - 1 { #expect(call(&breaker, .failed) == nil) }
    // What says nothing about the bank changes nothing.
    #expect(call(&breaker, .neither) == nil)
    #expect(call(&breaker, .failed) == .opened(for: .seconds(1)))
    #expect(breaker.reserve(10) == 0)
    #expect(breaker.opensUntil == start + .seconds(1))
  }

  @Test mutating func `after the pause a few try, and the first answer closes it`() {
    var breaker = opened()
    #expect(breaker.advance(to: start + .milliseconds(999)) == nil)
    #expect(breaker.advance(to: start + .seconds(1)) == .halfOpened)
    #expect(breaker.advance(to: start + .seconds(1)) == nil)
    #expect(breaker.reserve(10) == BankBreaker.trials)
    #expect(breaker.reserve(1) == 0)
    let pass = breaker.begin(at: start)
    // What is not used may be tried by another.
    breaker.release(1)
    #expect(breaker.reserve(10) == 1)
    #expect(breaker.end(pass, .answered, at: start, using: &random) == .closed)
    #expect(breaker.free == 10 - breaker.taken)
  }

  @Test mutating func `each failed trial doubles the pause, up to a limit, until it closes`() {
    var breaker = opened()
    var now = start
    for seconds in [2, 4, 8, 16, 30, 30] {
      now = now + .seconds(60)
      #expect(breaker.advance(to: now) == .halfOpened)
      #expect(call(&breaker, .failed, at: now) == .opened(for: .seconds(seconds)))
    }
    now = now + .seconds(60)
    _ = breaker.advance(to: now)
    #expect(call(&breaker, .answered, at: now) == .closed)
    for _ in 0..<BankBreaker.threshold - 1 { _ = call(&breaker, .failed, at: now) }
    #expect(call(&breaker, .failed, at: now) == .opened(for: .seconds(1)))
  }

  @Test mutating func `a trial that says nothing lets another one try`() {
    var breaker = opened()
    _ = breaker.advance(to: start + .seconds(1))
    for _ in 0..<10 { #expect(call(&breaker, .neither) == nil) }
    #expect(breaker.free == BankBreaker.trials && breaker.state == .halfOpen(trials: 0))
  }

  @Test mutating func `slots that were taken before it opened are no trials`() {
    var breaker = BankBreaker(slots: 20)
    #expect(breaker.reserve(10) == 10)
    let passes = (0..<BankBreaker.threshold).map { _ in breaker.begin(at: start) }
    for pass in passes { _ = breaker.end(pass, .failed, at: start, using: &random) }
    #expect(breaker.advance(to: start + .seconds(1)) == .halfOpened)
    #expect(breaker.reserve(20) == BankBreaker.trials)
    // What is given back of the five leaves no room for more trials.
    breaker.release(2)
    #expect(breaker.free == 0)
    // Nor does a call in one of them, whose failure says nothing of the trials.
    let early = (0..<3).map { _ in breaker.begin(at: start) }
    for pass in early { #expect(breaker.end(pass, .failed, at: start, using: &random) == nil) }
    #expect(breaker.state == .halfOpen(trials: BankBreaker.trials))
    breaker.release(1)
    #expect(breaker.free == 1)
    let trial = breaker.begin(at: start)
    #expect(breaker.end(trial, .failed, at: start, using: &random) == .opened(for: .seconds(2)))
  }

  @Test mutating func `a late failure says nothing new, a late answer closes it`() {
    var breaker = BankBreaker(slots: 10)
    #expect(breaker.reserve(8) == 8)
    let passes = (0..<8).map { _ in breaker.begin(at: start) }
    for pass in passes[..<4] { #expect(breaker.end(pass, .failed, at: start, using: &random) == nil) }
    #expect(breaker.end(passes[4], .failed, at: start, using: &random) == .opened(for: .seconds(1)))
    #expect(breaker.end(passes[5], .failed, at: start, using: &random) == nil)
    _ = breaker.advance(to: start + .seconds(1))
    #expect(breaker.end(passes[6], .failed, at: start, using: &random) == nil)
    #expect(breaker.state == .halfOpen(trials: 0))
    #expect(breaker.end(passes[7], .answered, at: start, using: &random) == .closed)
    #expect(breaker.taken == 0)
  }

  @Test mutating func `few calls are young at a time, and old ones leave their place among them`() {
    var breaker = BankBreaker(slots: 4_096)
    #expect(breaker.reserve(4_096) == BankBreaker.crowd)
    let passes = (0..<BankBreaker.crowd).map { _ in breaker.begin(at: start) }
    #expect(breaker.reserve(1) == 0)
    // One that ends early leaves its place at once.
    #expect(breaker.end(passes[0], .answered, at: start, using: &random) == nil)
    #expect(breaker.free == 1)
    #expect(breaker.growsAt.map { $0 > start } == true)
    _ = breaker.advance(to: start + .milliseconds(850))
    #expect(breaker.free == 1)
    _ = breaker.advance(to: start + .milliseconds(1_100))
    #expect(breaker.free == BankBreaker.crowd)
    #expect(breaker.growsAt == nil)
    // Old ones end, too.
    for pass in passes.dropFirst() { _ = breaker.end(pass, .answered, at: start + .seconds(2), using: &random) }
    #expect(breaker.taken == 0 && breaker.free == BankBreaker.crowd)
  }

  @Test mutating func `a bank that never answers gets all slots within seconds`() {
    var breaker = BankBreaker(slots: 4_096)
    var now = start
    for _ in 0..<90 {
      _ = breaker.advance(to: now)
      for _ in 0..<breaker.reserve(4_096) { _ = breaker.begin(at: now) }
      now = now + .milliseconds(100)
    }
    #expect(breaker.calling == 4_096 && breaker.free == 0)
  }
}
