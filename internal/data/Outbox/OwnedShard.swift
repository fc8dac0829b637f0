internal import Values

/// What a relay knows of a shard whose lease it holds.
package struct OwnedShard {
  /// The epoch of the lease.
  package let epoch: Int64
  /// When the lease was last asked for. It counts from here, and so ends earlier than in the database.
  var obtained: Instant
  /// How long the lease counts, from `obtained` on.
  private let term: Duration
  /// Every id up to here is done, held back, or in memory: reads ask for ids above it.
  package private(set) var floor: Int64 = 0
  /// The floor at the last look back.
  private var lookedBack: Int64 = 0
  /// Rows above the floor that the last read returned and that were held back; the next read must look past them.
  var heldBack = 0
  /// The shard is above the fair share: it goes to another relay as soon as none of its events is in memory.
  var isLeaving = false
  var parking = Parking()

  init(epoch: Int64, obtained: Instant, term: Duration) {
    self.epoch = epoch
    self.obtained = obtained
    self.term = term
  }

  /// When the lease ends here.
  var deadline: Instant { obtained + term }

  mutating func raiseFloor(to id: Int64) { floor = max(floor, id) }

  /// Rows up to the old floor may have to be read again. A read that is open returns nothing then: it started above.
  mutating func lowerFloor(to id: Int64) {
    floor = min(floor, id)
    lookedBack = min(lookedBack, id)
  }

  /// Lowers the floor to where it was at the last look back, so that the next read returns once more what it passed
  /// since.
  mutating func lookBack() { (floor, lookedBack) = (lookedBack, floor) }
}

/// The keys of a shard that could not be published and have left memory, until they are read again.
struct Parking {
  /// The lowest id that left; nil while no key is parked.
  private(set) var lowest: Int64?
  /// When the keys are read again; without parked keys, when they last were.
  private var end = Instant(nanoseconds: 0)
  /// How long the keys were parked the last time.
  private var delay = Duration.zero

  /// Adds keys, of which `id` is the lowest id.
  mutating func add(_ id: Int64, at now: Instant, _ rules: RelayRules) {
    if let lowest {
      self.lowest = min(lowest, id)
      return
    }
    // Longer each time, so that all keys that cannot be published are parked at once, however many windows they fill.
    let isNewTrouble = now - end > delay + rules.deliveryTimeout * 2
    delay = isNewTrouble ? .seconds(1) : min(max(delay * 2, .seconds(1)), rules.deliveryTimeout * 8)
    end = now + delay
    lowest = id
  }

  /// The lowest id to be read again, when the parking is over; nil otherwise.
  func due(at now: Instant) -> Int64? { end <= now ? lowest : nil }

  /// The keys are about to be read again.
  mutating func finish() { lowest = nil }
}
