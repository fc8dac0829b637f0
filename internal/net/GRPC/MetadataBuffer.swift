internal import Glibc

/// The metadata of a request while it arrives. The next request reuses the memory, and `Metadata` is made only for a
/// handler that reads it.
struct MetadataBuffer: ~Copyable {
  private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private var count = 0

  deinit { memory.deallocate() }

  /// The fields so far.
  var metadata: Metadata { Metadata(storage: UnsafeRawBufferPointer(rebasing: memory[..<count])) }

  /// Every value under `name`, found without making the rest: most requests do not have it.
  func values(of name: StaticString) -> [[UInt8]] {
    var values: [[UInt8]] = []
    var position = 0
    while position < count {
      let nameCount = Int(UInt16(bigEndian: memory.loadUnaligned(fromByteOffset: position, as: UInt16.self)))
      let valueCount = Int(UInt32(bigEndian: memory.loadUnaligned(fromByteOffset: position + 2, as: UInt32.self)))
      let start = position + Metadata.prefixSize
      position = start + nameCount + valueCount
      guard nameCount == name.utf8CodeUnitCount, let found = memory.baseAddress,
        memcmp(found + start, name.utf8Start, nameCount) == 0
      else { continue }
      values.append(Array(memory[(start + nameCount)..<position]))
    }
    return values
  }

  mutating func append(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    let end = count + Metadata.prefixSize + name.count + value.count
    if end > memory.count { grow(end) }
    memory.storeBytes(of: UInt16(name.count).bigEndian, toByteOffset: count, as: UInt16.self)
    memory.storeBytes(of: UInt32(value.count).bigEndian, toByteOffset: count + 2, as: UInt32.self)
    let start = count + Metadata.prefixSize
    UnsafeMutableRawBufferPointer(rebasing: memory[start...]).copyMemory(from: name)
    UnsafeMutableRawBufferPointer(rebasing: memory[(start + name.count)...]).copyMemory(from: value)
    count = end
  }

  /// Drops the fields, and frees the memory when it is more than most requests need.
  mutating func removeAll() {
    count = 0
    guard memory.count > 1 << 10 else { return }
    memory.deallocate()
    memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  }

  private mutating func grow(_ needed: Int) {
    let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: max(128, needed * 2), alignment: 1)
    larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[..<count]))
    memory.deallocate()
    memory = larger
  }
}
