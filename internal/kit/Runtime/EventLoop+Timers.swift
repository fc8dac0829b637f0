internal import Values

/// The receiver of an `EventLoop`'s timer.
public protocol EventLoopTimerTarget: AnyObject {
  /// Called once on the loop's thread when the timer is due; `token` is the one given when it was scheduled.
  func timerFired(_ token: UInt64)
}

/// A scheduled timer, to cancel it by.
public struct EventLoopTimer: Sendable, Hashable {
  let slot: Int32
  let generation: UInt32
}

/// The timers of one loop: a binary heap over slots that are reused, so that scheduling allocates nothing in the
/// steady state and cancelling is O(log n).
struct TimerHeap {
  private struct Entry {
    var deadline: Int64
    var slot: Int32
  }
  private struct Slot {
    var target: (any EventLoopTimerTarget)?
    var token: UInt64 = 0
    var position: Int = -1
    var generation: UInt32 = 0
  }
  private var heap: [Entry] = []
  private var slots: [Slot] = []
  private var free: [Int32] = []

  /// The earliest deadline; nil when nothing is scheduled.
  var next: Instant? { heap.isEmpty ? nil : Instant(nanoseconds: heap[0].deadline) }
  var count: Int { heap.count }

  mutating func insert(at deadline: Instant, _ target: any EventLoopTimerTarget, token: UInt64) -> EventLoopTimer {
    let slot: Int32
    if let reused = free.popLast() {
      slot = reused
    } else {
      slot = Int32(slots.count)
      slots.append(Slot())
    }
    slots[Int(slot)].target = target
    slots[Int(slot)].token = token
    heap.append(Entry(deadline: deadline.nanoseconds, slot: slot))
    rise(heap.count - 1)
    return EventLoopTimer(slot: slot, generation: slots[Int(slot)].generation)
  }

  /// Forgets a timer; one that has fired or was cancelled before is left alone.
  mutating func remove(_ timer: EventLoopTimer) {
    let slot = Int(timer.slot)
    guard slot < slots.count, slots[slot].generation == timer.generation, slots[slot].position >= 0 else { return }
    removeEntry(slots[slot].position)
  }

  /// Removes and returns the first timer that is due at `now`.
  mutating func popDue(_ now: Instant) -> (target: any EventLoopTimerTarget, token: UInt64)? {
    guard let first = heap.first, first.deadline <= now.nanoseconds, let target = slots[Int(first.slot)].target else {
      return nil
    }
    let token = slots[Int(first.slot)].token
    removeEntry(0)
    return (target, token)
  }

  private mutating func removeEntry(_ position: Int) {
    let slot = Int(heap[position].slot)
    slots[slot].target = nil
    slots[slot].position = -1
    slots[slot].generation &+= 1
    free.append(Int32(slot))
    let last = heap.removeLast()
    guard position < heap.count else { return }
    heap[position] = last
    slots[Int(last.slot)].position = position
    rise(position)
    sink(slots[Int(last.slot)].position)
  }

  private mutating func rise(_ start: Int) {
    var position = start
    let entry = heap[position]
    while position > 0 {
      let parent = (position - 1) / 2
      if heap[parent].deadline <= entry.deadline { break }
      heap[position] = heap[parent]
      slots[Int(heap[position].slot)].position = position
      position = parent
    }
    heap[position] = entry
    slots[Int(entry.slot)].position = position
  }

  private mutating func sink(_ start: Int) {
    var position = start
    let entry = heap[position]
    while true {
      var child = 2 * position + 1
      if child >= heap.count { break }
      if child + 1 < heap.count, heap[child + 1].deadline < heap[child].deadline { child += 1 }
      if heap[child].deadline >= entry.deadline { break }
      heap[position] = heap[child]
      slots[Int(heap[position].slot)].position = position
      position = child
    }
    heap[position] = entry
    slots[Int(entry.slot)].position = position
  }
}
