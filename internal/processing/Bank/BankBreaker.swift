internal import Values

/// How many calls of the bank may be under way, and whether it is asked at all. Pure.
///
/// At most `crowd` of them are in their first second. A bank that answers at once is not faster for a crowd before its
/// door, and each call there takes memory here; one that takes long for each still gets all the slots, within seconds.
///
/// The breaker opens after so many calls in a row that had no understandable answer: then nobody is asked for a while,
/// which doubles each time. After it a few calls are let through as trials: the first answer closes the breaker, the
/// first failure opens it again. An answer of an earlier call closes it, too: the bank is there. A failure of a call
/// that began before the breaker opened says nothing new.
struct BankBreaker {
  /// How a call ended, as far as the bank's health goes.
  enum Outcome: Sendable, Hashable {
    /// The bank has answered, whatever it said of the payment.
    case answered
    /// No connection, no answer in time, or one that no bank gives.
    case failed
    /// It says nothing about the bank: it was too late to call.
    case neither
  }

  /// What has changed, for the log.
  enum Change: Sendable, Hashable {
    case opened(for: Duration)
    case halfOpened
    case closed
  }

  enum State: Sendable, Hashable {
    case closed(failures: Int)
    case open(until: Instant)
    case halfOpen(trials: Int)
  }

  /// Failures in a row that open it.
  static let threshold = 5
  /// The most calls at once while it is tried whether the bank is back.
  static let trials = 3

  /// The most calls at once that have not taken a second yet.
  static let crowd = 512

  let slots: Int
  private var ages = CallAges()
  private(set) var taken = 0
  private(set) var calling = 0
  private(set) var state = State.closed(failures: 0)
  /// Counts the times it has opened.
  private var period = 0
  /// Slots that were taken before it opened and are not used yet. They are used before later ones, and are no trials.
  private var early = 0
  private var backoff = Backoff(first: .seconds(1), limit: .seconds(30))

  /// A call under way.
  struct Pass: Sendable, Hashable {
    fileprivate let period: Int
    fileprivate let begun: Int64
  }

  /// - Parameter slots: the most calls at once; above zero.
  init(slots: Int) {
    precondition(slots > 0, "a bank that is never called is none")
    self.slots = slots
  }

  /// Slots that may be taken now.
  var free: Int {
    switch state {
    case .closed: room
    case .open: 0
    case .halfOpen(let trials): max(0, min(room, Self.trials - trials))
    }
  }

  private var room: Int { max(0, min(slots - taken, Self.crowd - (taken - ages.old))) }

  /// When there may be free slots although no call has ended: as calls grow old.
  var growsAt: Instant? {
    guard case .closed = state, taken < slots, calling > ages.old else { return nil }
    return ages.nextChange
  }

  /// When an open breaker begins its trials.
  var opensUntil: Instant? {
    guard case .open(let until) = state else { return nil }
    return until
  }

  /// Lets time pass.
  mutating func advance(to now: Instant) -> Change? {
    ages.advance(to: now)
    guard case .open(let until) = state, now >= until else { return nil }
    state = .halfOpen(trials: 0)
    return .halfOpened
  }

  /// Takes slots, at most `wanted`.
  mutating func reserve(_ wanted: Int) -> Int {
    let got = min(max(0, wanted), free)
    taken += got
    if case .halfOpen(let trials) = state { state = .halfOpen(trials: trials + got) }
    return got
  }

  /// Gives back slots that no call has used.
  mutating func release(_ count: Int) {
    precondition(count >= 0 && count <= taken - calling, "more slots are given back than were taken")
    taken -= count
    let fromBefore = min(early, count)
    early -= fromBefore
    endTrials(count - fromBefore)
  }

  /// Begins a call in a slot that was taken.
  mutating func begin(at now: Instant) -> Pass {
    precondition(calling < taken, "a call of the bank needs a slot")
    calling += 1
    let isEarly = early > 0
    if isEarly { early -= 1 }
    return Pass(period: isEarly ? period - 1 : period, begun: ages.begin(at: now))
  }

  /// Ends the call and gives back its slot.
  mutating func end(
    _ pass: Pass, _ outcome: Outcome, at now: Instant, using random: inout some RandomNumberGenerator
  ) -> Change? {
    calling -= 1
    taken -= 1
    ages.end(pass.begun)
    if pass.period == period { endTrials(1) }
    switch (outcome, state) {
    case (.answered, .closed):
      state = .closed(failures: 0)
      return nil
    case (.answered, .open), (.answered, .halfOpen):
      state = .closed(failures: 0)
      early = 0
      backoff.reset()
      return .closed
    case (.failed, .closed(let failures)) where pass.period == period:
      guard failures + 1 >= Self.threshold else {
        state = .closed(failures: failures + 1)
        return nil
      }
      return open(at: now, using: &random)
    case (.failed, .halfOpen) where pass.period == period: return open(at: now, using: &random)
    case (.failed, _), (.neither, _): return nil
    }
  }

  private mutating func open(at now: Instant, using random: inout some RandomNumberGenerator) -> Change {
    let pause = backoff.nextDelay(using: &random)
    state = .open(until: now + pause)
    period += 1
    early = taken - calling
    return .opened(for: pause)
  }

  private mutating func endTrials(_ count: Int) {
    if case .halfOpen(let trials) = state { state = .halfOpen(trials: max(0, trials - count)) }
  }
}
