public import Randomness

/// The time of one schedule, what is to happen in it, its chance, and the notes of what has happened. A schedule of a
/// core adds what lives in it.
open class SimulatedWorld {
  /// Everything that happens follows from it.
  public let seed: UInt64
  /// The only source of chance.
  public var random: SplitMix64
  /// Nanoseconds.
  public var now: Int64
  /// What is to happen.
  public var agenda = Agenda()
  /// From here on nothing goes wrong any more.
  public var isCalm = false
  /// What went wrong so far.
  public var faults = 0
  /// What has happened so far.
  public var steps = 0
  /// The steps so far, when they are wanted.
  public var trace: [String]?
  /// A sum over every step, which tells whether two runs were the same.
  public private(set) var digest: UInt64 = 14_695_981_039_346_656_037
  /// The first promise that was broken.
  public private(set) var violation: String?

  /// A world in which nothing has happened yet.
  public init(seed: UInt64, now: Int64 = 0, isTraced: Bool) {
    self.seed = seed
    self.now = now
    random = SplitMix64(seed: seed)
    trace = isTraced ? [] : nil
  }

  /// Takes a step into the trace.
  open func say(_ text: @autoclosure () -> String) {
    if trace != nil { trace?.append("\(Double(now) / 1e9) \(text())") }
  }

  /// Takes a step into the digest.
  public func mark(_ kind: UInt64, _ value: Int) {
    digest = (digest ^ kind ^ UInt64(bitPattern: now) ^ (UInt64(truncatingIfNeeded: value) << 32)) &* 1_099_511_628_211
  }

  /// Notes a broken promise; the first one counts.
  public func violate(_ text: @autoclosure () -> String) {
    if violation == nil { violation = "\(text()) (at \(Double(now) / 1e9) s)" }
  }

  /// Has something happen after a while; at once when `delay` is below zero.
  public func plan(after delay: Int64, _ action: @escaping () -> Void) { agenda.plan(at: now + max(0, delay), action) }

  /// Has a fault happen again and again until the world is calm, `period` apart on average; never for 0.
  public func plan(every period: Int64, _ action: @escaping () -> Void) {
    guard period > 0 else { return }
    plan(after: random.draw(0...period * 2)) {
      guard !self.isCalm else { return }
      self.faults += 1
      action()
      self.plan(every: period, action)
    }
  }

  /// Whether a fault of this probability happens now.
  public func chance(_ probability: Double) -> Bool { !isCalm && random.roll(probability) }

  /// A time between these milliseconds, in nanoseconds.
  public func milliseconds(_ range: ClosedRange<Int>) -> Int64 {
    random.draw(Int64(range.lowerBound) * 1_000_000...Int64(range.upperBound) * 1_000_000)
  }

  /// Has happen what is planned until `limit`.
  /// - Parameter mostSteps: more of them all together are a violation.
  /// - Returns: whether `isDone` held before, or something was violated.
  @discardableResult
  public func advance(until limit: Int64, mostSteps: Int, when isDone: () -> Bool) -> Bool {
    while violation == nil, let time = agenda.nextTime, time <= limit {
      if isDone() { return true }
      now = time
      agenda.next()?()
      steps += 1
      if steps > mostSteps { violate("spinning: more than \(mostSteps) steps") }
    }
    if violation == nil { now = limit }
    return violation != nil || isDone()
  }
}
