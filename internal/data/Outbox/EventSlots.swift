internal import Values

/// The events in memory, each with its stage, under tokens for the producer and the database.
///
/// A token names one stay of one event: it is stale once the event has left memory, also when the same event is read
/// again.
struct EventSlots {
  /// What the broker said of an event in the end.
  enum Settlement {
    /// It is on its topic, there if the broker told.
    case published(MessagePlace?)
    /// It never will be, for this reason.
    case refused(String)
  }

  /// How far an event has come.
  enum Stage {
    /// An earlier event of its key is not yet acknowledged.
    case waiting
    /// The head of its key, to be published.
    case ready
    /// With the producer since that moment.
    case inFlight(since: Instant)
    /// The head of its key, to be published again later.
    case retrying
    /// Acknowledged or refused, to be moved out of WAIT.
    case settled(Settlement)
    /// The statement that moves it is open.
    case completing
    /// The database refuses to move it, for the values of its row; it is tried again much later.
    case setAside(Settlement)
  }

  struct Entry {
    let event: WaitingEvent
    var stage: Stage
  }

  private struct Slot {
    var generation: UInt32 = 0
    var entry: Entry?
  }

  private var slots: [Slot] = []
  private var free: [Int] = []

  /// How many events are in memory.
  var count: Int { slots.count - free.count }

  /// The indices of all events, in no particular order.
  var indices: [Int] { slots.indices.filter { slots[$0].entry != nil } }

  /// Adds an event that waits.
  /// - Returns: its index, until it is removed.
  mutating func add(_ event: WaitingEvent) -> Int {
    let index = free.popLast() ?? slots.endIndex
    if index == slots.endIndex { slots.append(Slot()) }
    slots[index].entry = Entry(event: event, stage: .waiting)
    return index
  }

  mutating func remove(_ index: Int) {
    slots[index].entry = nil
    slots[index].generation &+= 1
    free.append(index)
  }

  /// The event at an index that `add` returned and that was not removed since.
  subscript(index: Int) -> Entry {
    guard let entry = slots[index].entry else { preconditionFailure("no event at index \(index)") }
    return entry
  }

  mutating func move(_ index: Int, to stage: Stage) { slots[index].entry?.stage = stage }

  /// The token of the event at an index.
  func token(of index: Int) -> UInt64 { UInt64(slots[index].generation) << 32 | UInt64(UInt32(index)) }

  /// The index of a token's event; nil for a stale token.
  func index(of token: UInt64) -> Int? {
    let index = Int(UInt32(truncatingIfNeeded: token))
    guard index < slots.count, slots[index].generation == UInt32(token >> 32), slots[index].entry != nil else {
      return nil
    }
    return index
  }
}
