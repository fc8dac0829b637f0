internal import Glibc
internal import Synchronization

/// The memory of all secrets: slabs of pages that are locked, left out of dumps and of forked processes, cut into
/// blocks of a few sizes. Blocks that are not in use are zero. Slabs are kept.
final class SecretArena: Sendable {
  static let shared = SecretArena()

  /// A piece of a slab.
  struct Block: @unchecked Sendable {
    // @unchecked: whoever has the block is the only one who touches its memory.
    let start: UnsafeMutableRawPointer
    let size: Int
  }

  static let slabBytes = 65_536
  /// 256 MiB: more than the largest `CARD_QUEUE` and `BANK_MAX_CALLS` need together, 64 bytes a card and at most 2 KiB
  /// a call.
  static let maximumSlabs = 4_096
  static let largestBlock = 4_096
  private static let smallestBlock = 32

  private struct State {
    var free: [Int: [Block]] = [:]
    var slabs = 0
    var refusal: String?
    var tell: (@Sendable (String) -> Void)?

    /// - Returns: what is to be called then, without the lock; nil but for the first refusal.
    mutating func note(refusal number: Int32) -> (@Sendable () -> Void)? {
      guard refusal == nil else { return nil }
      let reason = String(cString: strerror(number))
      refusal = reason
      guard let tell else { return nil }
      return { tell(reason) }
    }
  }
  private let state = Mutex(State())

  /// Has `tell` called with the reason once the system refuses to lock memory, or at once when it has done so before.
  func whenNotLocked(_ tell: @escaping @Sendable (String) -> Void) {
    let refusal = state.withLock { state in
      state.tell = tell
      return state.refusal
    }
    if let refusal { tell(refusal) }
  }

  /// A block of zeros with at least so many bytes.
  func take(_ count: Int) -> Block {
    precondition((0...Self.largestBlock).contains(count), "a secret has at most \(Self.largestBlock) bytes")
    var size = Self.smallestBlock
    while size < count { size *= 2 }
    let (block, told) = state.withLock { state -> (Block, (@Sendable () -> Void)?) in
      if let block = state.free[size]?.popLast() { return (block, nil) }
      precondition(state.slabs < Self.maximumSlabs, "somebody keeps secrets without a limit")
      state.slabs += 1
      let slab = Self.map()
      let told = mlock(slab, Self.slabBytes) == 0 ? nil : state.note(refusal: errno)
      let blocks = stride(from: 0, to: Self.slabBytes, by: size).map { Block(start: slab + $0, size: size) }
      state.free[size, default: []] += blocks.dropFirst()
      return (blocks[0], told)
    }
    told?()
    return block
  }

  func giveBack(_ block: Block) {
    explicit_bzero(block.start, block.size)
    state.withLock { $0.free[block.size, default: []].append(block) }
  }

  /// Pages of a slab, not yet locked.
  private static func map() -> UnsafeMutableRawPointer {
    let pages = mmap(nil, slabBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let pages, pages != MAP_FAILED else { preconditionFailure("the system has no memory left") }
    madvise(pages, slabBytes, MADV_DONTDUMP)
    madvise(pages, slabBytes, MADV_WIPEONFORK)
    return pages
  }
}
