/// The events of one key and topic in memory that are not yet acknowledged, in id order, as indices of `EventSlots`.
/// The first is the head.
struct KeyQueue {
  private var slots: [Int] = []
  private var first = 0

  var head: Int { slots[first] }
  var isEmpty: Bool { first == slots.count }
  /// All of them, the head first.
  var all: ArraySlice<Int> { slots[first...] }

  mutating func append(_ slot: Int) { slots.append(slot) }

  mutating func removeHead() {
    first += 1
    guard first >= 32, first * 2 >= slots.count else { return }
    slots.removeFirst(first)
    first = 0
  }

  /// Leaves only the head.
  mutating func removeFollowers() {
    slots = [head]
    first = 0
  }
}
