internal import Values

/// How far a read got in one shard, and what that says about the floor.
struct ReadProgress {
  /// How many more rows the read could have returned.
  private var rest: Int
  /// The highest id handled, all lower ones included.
  private var last: Int64 = 0
  /// Whether there may be more rows than were handled.
  private(set) var isCut = false
  /// Whether a read right after this one would return other rows.
  private var isWorthMore = false
  /// Rows whose keys are held back.
  private(set) var heldBack = 0
  /// The floor must not pass this id: rows above it are needed by rows that could not be inserted.
  private(set) var bound = Int64.max

  /// - Parameter limit: how many rows the read could return.
  init(limit: Int) { rest = limit }

  /// Adds a row, in id order.
  mutating func add(_ id: Int64, after predecessor: Int64?, _ insertion: RelayWindow.Insertion) {
    switch insertion {
    case .inserted: isWorthMore = true
    case .known: break
    case .heldBack: heldBack += 1
    case .early:
      heldBack += 1
      bound = min(bound, min(id, predecessor ?? id).subtracting(saturating: 1))
    case .full:
      isWorthMore = true
      isCut = true
      return
    }
    last = id
    rest -= 1
    if rest == 0 { isCut = true }
  }

  /// The id up to which no unread row can appear any more.
  /// - Parameter settled: the id up to which every writer had ended before the read.
  func seen(settled: Int64) -> Int64 { min(isCut ? min(settled, last) : settled, bound) }

  /// Whether to read on at once. The same rows from the same floor would bring nothing new, and so without end.
  func wantsMore(of shard: OwnedShard, seen: Int64) -> Bool {
    isCut && (isWorthMore || seen > shard.floor || heldBack > shard.heldBack)
  }
}

/// An id of the sequence, and the transaction id below which every transaction that may have drawn an id up to it lies.
struct FloorNote {
  let lastID: Int64
  let xmax: Int64
}
