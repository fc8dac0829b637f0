import Testing
import Values

@testable import HTTPServer

@Suite struct ConnectionTableTests {
  private func time(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }
  private func peer(_ number: UInt64) -> PeerNetwork { PeerNetwork(high: 4, low: number) }
  private let limits = ConnectionTable.Limits(
    connections: 5, perPeer: 3, idleTime: .seconds(10), requestTime: .seconds(4), sendTime: .seconds(6))

  @Test func theNewestOfAPeerTakesThePlaceOfItsOldest() {
    var table = ConnectionTable(limits)
    for id in 0..<3 { #expect(table.open(peer: peer(1), at: time(Int64(id))) == (id, [])) }
    table.enter(0, .idle, at: time(5))
    #expect(table.open(peer: peer(1), at: time(6)) == (3, [1]), "the one without an answer for longest")
    #expect(table.open(peer: peer(1), at: time(6)) == (4, [2]), "one that is ending counts no more")
    #expect(table.count == 5)
    table.close(0)
    #expect(table.open(peer: peer(1), at: time(6)) == (0, []))
  }

  @Test func whoHasMostMakesRoomForTheOthers() {
    var table = ConnectionTable(limits)
    for _ in 0..<3 { #expect(table.open(peer: peer(1), at: time(1)).ended.isEmpty) }
    for _ in 3..<5 { #expect(table.open(peer: peer(2), at: time(0)).ended.isEmpty) }
    let ended = table.open(peer: peer(3), at: time(2)).ended
    #expect(ended == [0])
  }

  @Test func whoeverWaitsForOurAnswerKeepsThePlace() {
    var table = ConnectionTable(limits)
    for id in 0..<3 {
      _ = table.open(peer: peer(1), at: time(0))
      table.enter(id, .receiving, at: time(1))
      if id != 1 { table.enter(id, .answering, at: time(1)) }
    }
    #expect(table.open(peer: peer(1), at: time(2)).ended == [1])
    #expect(table.open(peer: peer(1), at: time(2)) == (4, [3]))
    table.enter(4, .answering, at: time(2))
    #expect(table.open(peer: peer(1), at: time(2)) == (5, [5]), "nobody can go but the newest itself")
    table.enter(0, .sending, at: time(3))
    #expect(table.open(peer: peer(1), at: time(3)) == (6, [0]))
  }

  @Test func aFullHouseOfWaitersTakesNobody() {
    var table = ConnectionTable(limits)
    for id in 0..<5 {
      _ = table.open(peer: peer(UInt64(id)), at: time(0))
      table.enter(id, .answering, at: time(0))
    }
    #expect(table.open(peer: peer(9), at: time(1)) == (5, [5]))
    table.close(5)
    table.enter(3, .idle, at: time(2))
    #expect(table.open(peer: peer(9), at: time(3)) == (5, [3]))
  }

  @Test func eachPhaseHasItsTime() {
    var table = ConnectionTable(limits)
    #expect(table.findEarliestDeadline() == .distantFuture)
    for id in 0..<4 { #expect(table.open(peer: peer(UInt64(id)), at: time(0)).id == id) }
    table.enter(1, .receiving, at: time(1))
    table.enter(2, .answering, at: time(1), until: time(3))
    table.enter(3, .sending, at: time(1))
    #expect(table.earliestDeadline == time(3) && table.takeOverdue(at: time(2)).isEmpty)
    #expect(table.takeOverdue(at: time(3)) == [.answer(2)])
    #expect(table.takeOverdue(at: time(4)).isEmpty, "each is told once")
    #expect(table.findEarliestDeadline() == time(5) && table.takeOverdue(at: time(5)) == [.end(1)])
    #expect(table.takeOverdue(at: time(7)) == [.end(3)])
    table.enter(2, .idle, at: time(8))
    #expect(table.takeOverdue(at: time(10)) == [.end(0)])
    #expect(table.findEarliestDeadline() == time(18) && table.takeOverdue(at: time(18)) == [.end(2)])
    #expect(table.count == 4)
    for id in 0..<4 { table.close(id) }
    #expect(table.count == 0 && table.findEarliestDeadline() == .distantFuture)
    table.close(2)
  }

  /// Against a table that looks at everything each time.
  @Test func countsStayRightWhateverHappens() {
    var generator = SystemRandomNumberGenerator()
    var table = ConnectionTable(limits)
    var open: Set<Int> = []
    var ending: Set<Int> = []
    var owner: [Int: UInt64] = [:]
    for step in 0..<5_000 {
      let now = time(Int64(step / 100))
      switch Int.random(in: 0..<6, using: &generator) {
      case 0, 1:
        let number = UInt64.random(in: 0..<4, using: &generator)
        let (id, ended) = table.open(peer: peer(number), at: now)
        #expect(open.insert(id).inserted)
        owner[id] = number
        ending.formUnion(ended)
      case 2: if let id = open.randomElement() { table.enter(id, .idle, at: now) }
      case 3: if let id = open.randomElement() { table.enter(id, .answering, at: now) }
      case 4: if let id = open.randomElement() { table.enter(id, .receiving, at: now) }
      default:
        if let id = open.randomElement() {
          table.close(id)
          open.remove(id)
          ending.remove(id)
        }
      }
      let live = open.subtracting(ending)
      #expect(table.count == open.count && live.count <= 5 && ending.isSubset(of: open))
      for number in 0..<4 { #expect(live.count { owner[$0] == UInt64(number) } <= 3) }
    }
  }
}
