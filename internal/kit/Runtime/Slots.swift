/// Elements with fixed numbers in one block of memory that grows: an array for hot paths.
///
/// An array's element is written through a check that nobody else shares the buffer; here nobody can. An element is
/// reached in place, and no access to one may last across a call that could append.
public struct Slots<Element: ~Copyable>: ~Copyable {
  @usableFromInline var base: UnsafeMutablePointer<Element>?
  @usableFromInline var capacity = 0
  /// Number of elements.
  public private(set) var count = 0

  /// No elements, and no memory.
  public init() {}

  deinit {
    base?.deinitialize(count: count)
    base?.deallocate()
  }

  /// The elements' numbers.
  public var indices: Range<Int> { 0..<count }

  /// Adds an element; its number is the `count` before.
  public mutating func append(_ element: consuming Element) {
    if count == capacity { grow() }
    // `grow` has made room.
    (base! + count).initialize(to: element)
    count += 1
  }

  /// Forgets all elements and gives the memory back.
  public mutating func removeAll() {
    base?.deinitialize(count: count)
    base?.deallocate()
    base = nil
    capacity = 0
    count = 0
  }

  /// The element with that number, in place; a number that `append` never gave is a mistake of ours and traps.
  @inlinable
  public subscript(_ index: Int) -> Element {
    _read {
      precondition(index >= 0 && index < count, "no such slot")
      // There are elements, so there is memory.
      yield base.unsafelyUnwrapped[index]
    }
    _modify {
      precondition(index >= 0 && index < count, "no such slot")
      yield &base.unsafelyUnwrapped[index]
    }
  }

  private mutating func grow() {
    let larger = UnsafeMutablePointer<Element>.allocate(capacity: max(1, capacity * 2))
    if let base {
      larger.moveInitialize(from: base, count: count)
      base.deallocate()
    }
    base = larger
    capacity = max(1, capacity * 2)
  }
}
