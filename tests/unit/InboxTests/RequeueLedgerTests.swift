import Testing

@testable import Inbox

@Suite struct RequeueLedgerTests {
  private func mark(_ ledger: inout RequeueLedger, _ offsets: Int64...) {
    for offset in offsets {
      let isNoted = ledger.markDone(offset)
      #expect(isNoted)
    }
  }

  @Test func whatIsDoneInOrderLeavesNoGaps() {
    var ledger = RequeueLedger(next: 5, note: "", low: 0)
    mark(&ledger, 5, 6, 7, 8)
    #expect(ledger.next == 9 && ledger.note == "")
  }

  @Test func gapsAreKeptAndCloseWhenTheyAreFilled() {
    var ledger = RequeueLedger(next: 0, note: "", low: 0)
    mark(&ledger, 3, 7, 4, 9, 8)
    #expect(ledger.next == 0 && ledger.note == "3-4,7-9")
    #expect(ledger.isDone(4) && ledger.isDone(9) && !ledger.isDone(5) && !ledger.isDone(0))
    #expect(RequeueLedger(next: 0, note: ledger.note, low: 0) == ledger)
    mark(&ledger, 2, 0, 1)
    #expect(ledger.next == 5 && ledger.note == "7-9")
    mark(&ledger, 6, 5)
    #expect(ledger.next == 10 && ledger.note == "")
  }

  @Test(arguments: ["x", "7-", "-7", "9-7", "5,3", "1-2-3", "2"]) func aStrangeNoteIsNone(note: String) {
    let ledger = RequeueLedger(next: 3, note: note, low: 0)
    #expect(ledger.next == 3 && ledger.note == "")
  }

  @Test func whatIsGoneIsDone() {
    let ledger = RequeueLedger(next: 2, note: "4-5,8,11", low: 8)
    #expect(ledger.next == 9 && ledger.note == "11")
  }

  @Test func whatWaitsIsCounted() {
    let ledger = RequeueLedger(next: 3, note: "5-6,9", low: 0)
    #expect([3, 4, 5, 6, 7, 9, 10, 12].map(ledger.waiting) == [0, 1, 2, 2, 2, 4, 4, 6])
    #expect(RequeueLedger(next: 0, note: "\(Int64.max)", low: 0).waiting(to: .max) == .max)
    #expect(RequeueLedger(next: 7, note: "", low: 0).waiting(to: 5) == 0)
  }

  @Test func tooManyGapsAreRefused() {
    var ledger = RequeueLedger(next: 0, note: "", low: 0)
    var count: Int64 = 0
    while ledger.markDone(1_000 + 2 * count) { count += 1 }
    #expect(ledger.note.utf8.count <= RequeueLedger.longestNote && count > 600)
    #expect(!ledger.isDone(1_000 + 2 * count))
  }
}
