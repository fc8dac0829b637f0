internal import Glibc
internal import Values

/// The seed being played, for the signal handler below, which has no other way to learn it.
nonisolated(unsafe) private var seedAtWork: UInt64 = 0

/// Reports the seed at which a precondition failed. Calls only what a signal handler may call.
private func reportTrap(_ signal: Int32) {
  var digits: [UInt8] = []
  digits.reserveCapacity(32)
  var rest = seedAtWork
  repeat {
    digits.insert(UInt8(48 + rest % 10), at: 0)
    rest /= 10
  } while rest > 0
  let text = Array("simulator: a precondition failed in seed ".utf8) + digits + [10]
  _ = write(2, text, text.count)
  _exit(1)
}

/// The command line of a simulator: `[--seed N] [--runs N] [--trace] [--sabotage NAME]`.
public struct SimulatorProgram<Totals: ScheduleTotals> {
  private typealias Played = Totals.Played
  private typealias Sabotage = Totals.Played.Sabotage

  private let core: String
  private let known: [UInt64]
  private var first: UInt64 = 1
  private var runs = 1_000
  private var isTraced = false
  private var sabotage: Sabotage?
  private var mistake: String?

  /// - Parameters:
  ///   - core: the simulator's name for `make simulate`.
  ///   - known: seeds that once found a fault, played before all others.
  public init(_ core: String, arguments: [String], known: [UInt64]) {
    self.core = core
    self.known = known
    var rest = arguments[...]
    while let name = rest.popFirst() {
      if name == "--trace" {
        isTraced = true
        continue
      }
      guard let value = rest.popFirst() else {
        mistake = "\(name) needs a value"
        return
      }
      switch name {
      case "--seed": UInt64(value).map { first = $0 } ?? note("--seed needs a number, found \(value)")
      case "--runs": Int(value).map { runs = $0 } ?? note("--runs needs a number, found \(value)")
      case "--sabotage":
        sabotage = Sabotage(rawValue: value)
        if sabotage == nil { note("no sabotage \(value): \(Sabotage.allCases.map(\.rawValue))") }
      default: note("unknown option \(name): --seed N, --runs N, --trace, --sabotage NAME")
      }
    }
  }

  private mutating func note(_ text: String) { if mistake == nil { mistake = text } }

  /// - Returns: the exit code: 0 when no schedule had a violation, or when the sabotage was noticed.
  public func run() -> Int32 {
    if let mistake {
      print("error: \(mistake)")
      return 2
    }
    signal(SIGILL, reportTrap)
    signal(SIGTRAP, reportTrap)
    let seeds = (sabotage == nil && runs > 1 ? known : []) + (0..<UInt64(max(runs, 1))).map { first &+ $0 }
    return play(seeds)
  }

  private func play(_ seeds: [UInt64]) -> Int32 {
    let began = Instant.now()
    var totals = Totals()
    for (played, seed) in seeds.enumerated() {
      seedAtWork = seed
      let simulation = Played(seed: seed, sabotage: sabotage, isTraced: isTraced && runs == 1)
      let violation = simulation.run()
      totals.add(simulation)
      for line in simulation.trace ?? [] { print(line) }
      guard let violation else {
        // Every hundredth schedule is played twice: equal seeds must give equal runs.
        if played.isMultiple(of: 100), !isRepeatable(simulation) { return 1 }
        continue
      }
      if let sabotage {
        if let notice = sabotage.notice, !violation.contains(notice) { continue }
        print("sabotage \(sabotage.rawValue): noticed in run \(played + 1), seed \(seed): \(violation)")
        return 0
      }
      report(seed, violation)
      return 1
    }
    if let sabotage {
      print("sabotage \(sabotage.rawValue): NOT noticed in \(seeds.count) runs")
      return 1
    }
    print(summary(totals, runs: seeds.count, seconds: (Instant.now() - began).inSeconds))
    return 0
  }

  private func isRepeatable(_ simulation: Played) -> Bool {
    let again = Played(seed: simulation.seed, sabotage: sabotage, isTraced: false)
    _ = again.run()
    if again.digest == simulation.digest { return true }
    print("seed \(simulation.seed) does not give the same run twice")
    return false
  }

  /// Plays the seed again and prints its last steps.
  private func report(_ seed: UInt64, _ violation: String) {
    let again = Played(seed: seed, sabotage: sabotage, isTraced: true)
    _ = again.run()
    for line in (again.trace ?? []).suffix(40) { print("  \(line)") }
    print("seed \(seed): \(violation)")
    print("play it again with: make simulate CORE=\(core) SEED=\(seed) RUNS=1 TRACE=1")
  }

  private func summary(_ totals: Totals, runs: Int, seconds: Double) -> String {
    "\(core): \(runs) schedules in \(Int(seconds)) s (\(Int(Double(runs) / max(seconds, 0.001))) a second): \(totals.text); "
      + "no guarantee violated"
  }
}

/// Restarts this program with dictionaries in the same order each time; otherwise no run could be repeated.
public func requireDeterministicHashing() {
  guard getenv("SWIFT_DETERMINISTIC_HASHING") == nil else { return }
  setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
  execv("/proc/self/exe", CommandLine.unsafeArgv)
}
