import Testing

@testable import HTTP2

struct SessionMemoryTests {
  @Test func blocksAreGivenOutAgainAndNeverTwice() throws {
    let memory = SessionMemory()
    var blocks: [UnsafeMutableRawPointer] = []
    for size in [0, 1, 16, 17, 511, 512, 513, 20_000] {
      let block = try #require(memory.allocate(size))
      // The whole of it may be written.
      block.initializeMemory(as: UInt8.self, repeating: 0xEE, count: size)
      blocks.append(block)
    }
    #expect(Set(blocks).count == blocks.count)
    for block in blocks { memory.release(block) }
    let first = try #require(memory.allocate(500))
    let second = try #require(memory.allocate(510))
    #expect(blocks.contains(first) && blocks.contains(second) && first != second)
    memory.release(first)
    memory.release(second)
  }

  @Test func resizingKeepsTheBytes() throws {
    let memory = SessionMemory()
    var block = try #require(memory.allocate(8))
    for index in 0..<8 { block.storeBytes(of: UInt8(index), toByteOffset: index, as: UInt8.self) }
    for size in [16, 100, 512, 600, 40_000, 3_000] {
      block = try #require(memory.resize(block, size))
      #expect((0..<8).allSatisfy { block.load(fromByteOffset: $0, as: UInt8.self) == UInt8($0) })
    }
    memory.release(block)
  }
}
