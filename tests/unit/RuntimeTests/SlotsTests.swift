import Runtime
import Testing
import Values

struct SlotsTests {
  private final class Witness {
    let onDeinit: () -> Void
    init(_ onDeinit: @escaping () -> Void) { self.onDeinit = onDeinit }
    deinit { onDeinit() }
  }

  @Test func elementsKeepTheirNumbersWhileItGrows() {
    var slots = Slots<[Int]>()
    #expect(slots.count == 0 && slots.indices.isEmpty)
    for number in 0..<100 { slots.append([number]) }
    for number in slots.indices { slots[number].append(-number) }
    #expect(slots.count == 100)
    #expect(slots.indices.allSatisfy { slots[$0] == [$0, -$0] })
  }

  @Test func elementsAreLetGoOnce() {
    var gone = 0
    do {
      var slots = Slots<Witness>()
      for _ in 0..<5 { slots.append(Witness { gone += 1 }) }
      #expect(gone == 0)
      slots.removeAll()
      #expect(gone == 5 && slots.count == 0)
      slots.append(Witness { gone += 1 })
    }
    #expect(gone == 6)
  }
}
