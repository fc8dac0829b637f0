import Outbox
import SimulationSupport
import Values

/// A machine's monotonic clock: it starts anywhere and runs a little faster or slower than the database's.
struct MachineClock {
  private let offset: Int64
  private let drift: Int64

  /// - Parameter drift: parts per million.
  init(offset: Int64, drift: Int64) {
    self.offset = offset
    self.drift = drift
  }

  func local(_ time: Int64) -> Instant {
    Instant(nanoseconds: offset + time + (time / 1_000) * drift / 1_000)
  }

  /// The first moment at which the clock shows `instant` or more.
  func global(_ instant: Instant) -> Int64 {
    if instant == .distantFuture { return .max }
    var time = Int64(Double(instant.nanoseconds - offset) / (1 + Double(drift) / 1e6))
    while local(time) < instant { time += max(1, (instant - local(time)).inNanoseconds / 2) }
    return time
  }
}

/// One run of a relay's process: the real `RelayCore`, with a simulated thread, pool and producer.
final class Machine {
  let number: Int
  let clock: MachineClock
  var core: RelayCore
  var mailbox: [RelayCore.Event] = []
  var isWoken = false
  var isPaused = false
  /// It crashed, or its program gave up waiting for it to stop.
  var isGone = false
  var isStopping = false
  /// What came due while the process was paused.
  var onResume: [() -> Void] = []
  /// When the thread runs next, and the number of the plan that counts.
  var nextLoop = Int64.max
  var loopPlan = 0
  var busyUntil: Int64 = 0
  var idleTicks = 0
  var idleSince: Int64 = 0
  /// Reads since the last publication or completion, or in the last second.
  var reads = 0
  var readsSince: Int64 = 0

  /// Messages in flight, in the order of their handover.
  var outstanding: [Message] = []
  var producerBackAt: Int64 = 0
  /// The event of each token.
  var tokens: [UInt64: (event: Int, shard: Int16)] = [:]
  /// When events were set aside last, under which epoch of which server.
  var asideAt: [Int: (time: Int64, epoch: Int64?, history: Int)] = [:]
  var isFinishedSeen = false
  /// The open read.
  var openRead: ReadRequest?
  /// With a sabotage: rows just completed, which the next read returns although it is sent later.
  var staleRows: [Int]?

  init(number: Int, clock: MachineClock, rules: RelayRules, now: Int64) {
    self.number = number
    self.clock = clock
    core = RelayCore(rules: rules, now: clock.local(now))
  }

  var isAlive: Bool { !isGone && !core.isFinished }
}

/// One publication.
final class Message {
  let machine: Machine
  let token: UInt64
  let event: Int
  let epoch: Int64
  /// The server on which its relay held the shard.
  let history: Int
  let partition: Int
  /// When the producer gives it up, by the database's clock.
  let deadline: Int64
  var isSent = false
  var isAnswered = false
  var hasLanded = false
  /// The producer will never answer it.
  var isForgotten = false
  /// Its process was paused while it was on its way to the broker: the limit in docs/guarantees.md.
  var wasPaused = false

  init(machine: Machine, token: UInt64, event: Int, epoch: Int64, history: Int, partition: Int, deadline: Int64) {
    self.machine = machine
    self.token = token
    self.event = event
    self.epoch = epoch
    self.history = history
    self.partition = partition
    self.deadline = deadline
  }
}
