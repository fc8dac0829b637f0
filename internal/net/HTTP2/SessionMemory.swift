internal import CNghttp2
internal import Glibc

/// The allocator of the nghttp2 sessions of one loop: it keeps freed blocks by size and reuses them.
///
/// A request makes nghttp2 allocate and free about eight small blocks. Hundreds of requests at once overflow malloc's
/// per-thread cache, and each block then costs a hundred instructions and more. On the loop's thread only; the sessions
/// are deleted before the loop's `HTTP2Scratch`, which owns this.
final class SessionMemory {
  /// Blocks are multiples of this.
  private static let step = 16
  /// Before each block stands the number of its class, 0 for none. nghttp2 keeps nothing that wants more alignment.
  private static let prefix = 8
  private static let classes = 32
  /// The most bytes that are kept; further blocks go back to malloc.
  private static let limit = 1 << 20

  // First free block of each class; in a free block stands the address of the next.
  private let free: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  @exclusivity(unchecked) private var kept = 0  // no call out while it is accessed

  init() {
    free = .allocate(capacity: Self.classes + 1)
    free.initialize(repeating: nil, count: Self.classes + 1)
  }

  deinit {
    for index in 0...Self.classes {
      while let block = free[index] {
        free[index] = block.load(as: UnsafeMutableRawPointer?.self)
        Glibc.free(block - Self.prefix)
      }
    }
    free.deallocate()
  }

  /// The functions as nghttp2 takes them; it copies the table.
  var table: nghttp2_mem {
    nghttp2_mem(
      mem_user_data: Unmanaged.passUnretained(self).toOpaque(), malloc: allocateBlock, free: freeBlock,
      calloc: allocateZeroed, realloc: reallocateBlock)
  }

  @inline(__always)
  func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
    let index = (size &+ (Self.step &- 1)) >> 4
    guard index <= Self.classes else { return fresh(size, 0) }
    guard let block = free[index] else { return fresh(index * Self.step, index) }
    free[index] = block.load(as: UnsafeMutableRawPointer?.self)
    kept &-= index &* Self.step
    return block
  }

  private func fresh(_ size: Int, _ index: Int) -> UnsafeMutableRawPointer? {
    guard let block = malloc(Self.prefix + max(Self.step, size)) else { return nil }
    block.storeBytes(of: index, as: Int.self)
    return block + Self.prefix
  }

  @inline(__always)
  func release(_ block: UnsafeMutableRawPointer) {
    let index = (block - Self.prefix).load(as: Int.self)
    guard index > 0, kept < Self.limit else { return Glibc.free(block - Self.prefix) }
    block.storeBytes(of: free[index], as: UnsafeMutableRawPointer?.self)
    free[index] = block
    kept &+= index &* Self.step
  }

  func resize(_ block: UnsafeMutableRawPointer, _ size: Int) -> UnsafeMutableRawPointer? {
    let index = (block - Self.prefix).load(as: Int.self)
    if index == 0 {
      // A large block stays large: its class is written already.
      return realloc(block - Self.prefix, Self.prefix + max(Self.step, size)).map { $0 + Self.prefix }
    }
    if size <= index * Self.step { return block }
    guard let larger = allocate(size) else { return nil }
    larger.copyMemory(from: block, byteCount: index * Self.step)
    release(block)
    return larger
  }
}

// File-scope functions, so that they inherit no actor; the context is the `SessionMemory`, unretained.

@inline(__always)
private func with<Result>(_ context: UnsafeMutableRawPointer?, _ body: (SessionMemory) -> Result) -> Result {
  // nghttp2 hands back the pointer of `table`.
  Unmanaged<SessionMemory>.fromOpaque(context!)._withUnsafeGuaranteedRef(body)
}

private func allocateBlock(_ size: Int, _ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  with(context) { $0.allocate(size) }
}

private func freeBlock(_ block: UnsafeMutableRawPointer?, _ context: UnsafeMutableRawPointer?) {
  if let block { with(context) { $0.release(block) } }
}

private func allocateZeroed(
  _ count: Int, _ size: Int, _ context: UnsafeMutableRawPointer?
) -> UnsafeMutableRawPointer? {
  let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
  guard !overflow, let block = with(context, { $0.allocate(bytes) }) else { return nil }
  memset(block, 0, bytes)
  return block
}

private func reallocateBlock(
  _ block: UnsafeMutableRawPointer?, _ size: Int, _ context: UnsafeMutableRawPointer?
) -> UnsafeMutableRawPointer? {
  guard let block else { return allocateBlock(size, context) }
  return with(context) { $0.resize(block, size) }
}
