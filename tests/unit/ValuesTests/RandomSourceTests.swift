import Testing

@testable import Values

@Suite struct RandomSourceTests {
  /// Far more than are fetched at a time, on several threads.
  @Test func noNumberComesTwice() async {
    let numbers = await withTaskGroup(of: [UInt64].self) { group in
      for _ in 0..<8 {
        group.addTask {
          var source = RandomSource()
          return (0..<1_000).map { _ in source.next() }
        }
      }
      return await group.reduce(into: []) { $0 += $1 }
    }
    #expect(Set(numbers).count == 8_000)
    // Each bit is set in about half of them.
    for bit in 0..<64 {
      let count = numbers.count { $0 >> UInt64(bit) & 1 == 1 }
      #expect(abs(count - 4_000) < 400, "bit \(bit) is set in \(count) of 8,000")
    }
  }
}
