/// The unsent bytes of a body: appended at the end, removed from the front, in one block of memory.
struct ByteQueue: ~Copyable {
  private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private var start = 0
  private var end = 0

  deinit { memory.deallocate() }

  var count: Int { end - start }

  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    makeRoom(bytes.count)
    UnsafeMutableRawBufferPointer(rebasing: memory[end...]).copyMemory(from: bytes)
    end += bytes.count
  }

  /// A gRPC message: flag, length, bytes.
  mutating func appendMessage(flag: UInt8, _ bytes: UnsafeRawBufferPointer) {
    makeRoom(5 + bytes.count)
    memory[end] = flag
    memory.storeBytes(of: UInt32(bytes.count).bigEndian, toByteOffset: end + 1, as: UInt32.self)
    end += 5
    UnsafeMutableRawBufferPointer(rebasing: memory[end...]).copyMemory(from: bytes)
    end += bytes.count
  }

  /// Moves bytes from the front into `buffer`, and returns their number.
  mutating func take(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
    let taken = min(count, buffer.count)
    buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[start..<start + taken]))
    start += taken
    if start == end {
      start = 0
      end = 0
    }
    return taken
  }

  /// Empties the queue, and frees the memory when it is more than `limit` bytes.
  mutating func removeAll(keepingUpTo limit: Int) {
    start = 0
    end = 0
    guard memory.count > limit else { return }
    memory.deallocate()
    memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  }

  private mutating func makeRoom(_ more: Int) {
    if memory.count - end < more { move(count + more) }
  }

  /// Twice what is needed, so that appending is O(1), amortised.
  private mutating func move(_ needed: Int) {
    let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: max(64, needed * 2), alignment: 1)
    larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[start..<end]))
    memory.deallocate()
    memory = larger
    end -= start
    start = 0
  }
}
