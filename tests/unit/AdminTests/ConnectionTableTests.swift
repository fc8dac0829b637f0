import Testing
import Values

@testable import Admin

@Suite struct ConnectionTableTests {
  private func time(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }
  private let limits = ConnectionTable.Limits(connections: 5, perPeer: 3, time: .seconds(10))

  @Test func theNewestOfAPeerTakesThePlaceOfItsOldest() {
    var table = ConnectionTable(limits)
    for id in 0..<3 { #expect(table.open(id, descriptor: Int32(id), peer: [1], at: time(Int64(id))) == []) }
    table.complete(0, at: time(5))
    #expect(table.open(3, descriptor: 3, peer: [1], at: time(6)) == [1], "the one without an answer for longest")
    #expect(table.open(4, descriptor: 4, peer: [1], at: time(6)) == [2], "one that is ending counts no more")
    table.close(0)
    #expect(table.open(5, descriptor: 5, peer: [1], at: time(6)) == [])
  }

  @Test func whoHasMostMakesRoomForTheOthers() {
    var table = ConnectionTable(limits)
    for id in 0..<3 { #expect(table.open(id, descriptor: Int32(id), peer: [1], at: time(1)).isEmpty) }
    for id in 3..<5 { #expect(table.open(id, descriptor: Int32(id), peer: [2], at: time(0)).isEmpty) }
    let ended = table.open(5, descriptor: 5, peer: [3], at: time(2))
    #expect(ended.count == 1 && ended[0] < 3)
  }

  @Test func theTimeStartsWithTheConnectionAndWithEachAnswer() {
    var table = ConnectionTable(limits)
    #expect(table.nextDeadline == .distantFuture)
    _ = table.open(1, descriptor: 11, peer: [1], at: time(0))
    _ = table.open(2, descriptor: 12, peer: [1], at: time(1))
    table.complete(1, at: time(4))
    #expect(table.nextDeadline == time(11) && table.takeOverdue(at: time(10)).isEmpty)
    #expect(table.takeOverdue(at: time(11)) == [12] && table.takeOverdue(at: time(12)).isEmpty)
    #expect(table.nextDeadline == time(14) && table.takeOverdue(at: time(14)) == [11])
    table.complete(7, at: time(1))
    table.close(7)
  }
}
