/// Numbers of those who wait for one thing. Mostly it is one, which takes no memory of its own, as there may be many
/// things.
enum FewIDs: Sequence {
  case one(UInt64)
  case several([UInt64])

  struct Iterator: IteratorProtocol {
    fileprivate var first: UInt64?
    fileprivate var others: IndexingIterator<[UInt64]>

    mutating func next() -> UInt64? { first.take() ?? others.next() }
  }

  /// None.
  init() { self = .several([]) }

  var isEmpty: Bool { if case .several(let ids) = self { ids.isEmpty } else { false } }

  mutating func append(_ id: UInt64) {
    switch self {
    case .one(let first): self = .several([first, id])
    case .several(let ids) where ids.isEmpty: self = .one(id)
    case .several(var ids):
      // Nobody else has them now, so that they are not copied.
      self = .several([])
      ids.append(id)
      self = .several(ids)
    }
  }

  mutating func remove(_ id: UInt64) {
    switch self {
    case .one(let only): if only == id { self = .several([]) }
    case .several(var ids):
      self = .several([])
      ids.removeAll { $0 == id }
      self = ids.count == 1 ? .one(ids[0]) : .several(ids)
    }
  }

  func makeIterator() -> Iterator {
    switch self {
    case .one(let id): Iterator(first: id, others: [].makeIterator())
    case .several(let ids): Iterator(first: nil, others: ids.makeIterator())
    }
  }
}
