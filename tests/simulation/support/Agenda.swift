/// Planned actions by simulated time. Actions planned for the same time run in the order in which they were planned.
public struct Agenda {
  private struct Entry {
    var time: Int64
    var order: Int
    var action: () -> Void

    func precedes(_ other: Entry) -> Bool { (time, order) < (other.time, other.order) }
  }

  private var heap: [Entry] = []
  private var planned = 0

  /// Nothing is planned.
  public init() {}

  /// When the next thing happens; nil when nothing will.
  public var nextTime: Int64? { heap.first?.time }

  /// Plans an action.
  public mutating func plan(at time: Int64, _ action: @escaping () -> Void) {
    planned += 1
    heap.append(Entry(time: time, order: planned, action: action))
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].precedes(heap[parent]) else { return }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  /// Removes the next action; nil when there is none.
  public mutating func next() -> (() -> Void)? {
    guard let first = heap.first, let last = heap.popLast() else { return nil }
    guard !heap.isEmpty else { return first.action }
    heap[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [parent * 2 + 1, parent * 2 + 2] where child < heap.count && heap[child].precedes(heap[least]) {
        least = child
      }
      if least == parent { return first.action }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}
