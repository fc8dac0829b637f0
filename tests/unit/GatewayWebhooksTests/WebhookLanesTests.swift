import Testing
import Values

@testable import GatewayWebhooks

@Suite("Lanes of webhooks") struct WebhookLanesTests {
  private static let now = Instant(nanoseconds: 1_000_000_000)
  private static let start = Timestamp(microseconds: 1_795_000_000_000_000)
  private static let (slow, fast) = (UniqueID(high: 1, low: 0), UniqueID(high: 2, low: 0))

  private func lanes(calls: Int = 100, each: Int = 64, _ endpoints: [UniqueID]) -> WebhookLanes<Int> {
    var lanes = WebhookLanes<Int>(WebhookLanes.Limits(calls: calls, endpointCalls: each))
    lanes.open(Set(endpoints))
    return lanes
  }

  private func entries(_ endpoint: UniqueID, _ numbers: Range<Int>) -> [WebhookLanes<Int>.Entry] {
    numbers.map {
      WebhookLanes.Entry(
        endpointID: endpoint, id: UniqueID(high: endpoint.high, low: UInt64($0)),
        dueAt: Self.start + .milliseconds(Int64($0)), item: $0)
    }
  }

  /// Takes what was read an hour after it was due.
  private func take(
    _ lanes: inout WebhookLanes<Int>, _ entries: [WebhookLanes<Int>.Entry], _ endpoint: UniqueID, isAll: Bool = true
  ) {
    lanes.take(entries, for: endpoint, isAll: isAll, at: Self.start + .seconds(3_600))
  }

  /// Reads as much as is wanted of an endless queue, and sends what there is room for.
  private func fill(
    _ lanes: inout WebhookLanes<Int>, _ next: inout [UniqueID: Int]
  ) -> [WebhookLanes<Int>.Entry] {
    for wanted in lanes.wanted(at: Self.now) {
      let from = next[wanted.endpointID] ?? 0
      next[wanted.endpointID] = from + wanted.limit
      take(&lanes, entries(wanted.endpointID, from..<from + wanted.limit), wanted.endpointID, isAll: false)
    }
    return lanes.next(at: Self.now)
  }

  @Test func `a delivery widens the window, a failure halves it down to one call`() {
    var lanes = lanes([Self.fast])
    var next: [UniqueID: Int] = [:]
    var under = fill(&lanes, &next)
    #expect(under.count == 4)
    for _ in 1...5 {
      for entry in under {
        lanes.ended(Self.fast, entry.id, .delivered, at: Self.now)
        lanes.recorded(Self.fast, entry.id)
      }
      under = fill(&lanes, &next)
    }
    // Half of the places are left for others.
    #expect(under.count == 50)
    for entry in under { lanes.ended(Self.fast, entry.id, .failed(holding: .zero), at: Self.now) }
    #expect(fill(&lanes, &next).count == 1)
  }

  @Test func `lanes that never end leave a place for each of the others`() {
    let endpoints = (1...10).map { UniqueID(high: UInt64($0), low: 0) }
    var lanes = lanes(calls: 64, each: 64, [])
    var next: [UniqueID: Int] = [:]
    for count in 1...10 {
      lanes.open(Set(endpoints.prefix(count)))
      let sent = fill(&lanes, &next)
      #expect(sent.contains { $0.endpointID == endpoints[count - 1] }, "the lane \(count) finds no place")
    }
    #expect(lanes.calling <= 64)
  }

  @Test func `what is under way or not recorded is not sent again when it is read again`() throws {
    var lanes = lanes([Self.fast])
    let all = entries(Self.fast, 0..<3)
    take(&lanes, all, Self.fast)
    #expect(lanes.next(at: Self.now).map(\.item) == [0, 1, 2])
    #expect(lanes.wanted(at: Self.now).isEmpty)
    lanes.wake()
    #expect(lanes.wanted(at: Self.now).first?.limit == 8 + 3)
    take(&lanes, all, Self.fast)
    lanes.ended(Self.fast, all[0].id, .delivered, at: Self.now)
    lanes.wake()
    take(&lanes, all, Self.fast)
    #expect(lanes.next(at: Self.now).isEmpty)
    lanes.recorded(Self.fast, all[0].id)
    // Nothing was tried: it comes again.
    lanes.ended(Self.fast, all[1].id, .dropped, at: Self.now)
    #expect(lanes.wanted(at: Self.now).count == 1)
    take(&lanes, [all[1], all[2]], Self.fast)
    #expect(lanes.next(at: Self.now).map(\.item) == [1])
  }

  @Test func `what is below everything known is not read again, but now and then`() throws {
    var lanes = lanes([Self.fast])
    let all = entries(Self.fast, 0..<4)
    let floor = { (lanes: WebhookLanes<Int>) in lanes.wanted(at: Self.now).first?.floor }
    take(&lanes, all, Self.fast)
    #expect(lanes.next(at: Self.now).count == 4)
    lanes.wake()
    #expect(floor(lanes) == all[0].dueAt)
    for entry in all.prefix(2) {
      lanes.ended(Self.fast, entry.id, .delivered, at: Self.now)
      #expect(floor(lanes) == all[0].dueAt)
    }
    for entry in all.prefix(2) { lanes.recorded(Self.fast, entry.id) }
    #expect(floor(lanes) == all[2].dueAt)
    for entry in all.suffix(2) {
      lanes.ended(Self.fast, entry.id, .delivered, at: Self.now)
      lanes.recorded(Self.fast, entry.id)
    }
    #expect(floor(lanes) == all[3].dueAt)
    // What was due just before it was read may have neighbours that have not committed.
    lanes.take(all.suffix(1), for: Self.fast, isAll: true, at: all[3].dueAt + .milliseconds(50))
    lanes.wake()
    #expect(floor(lanes) == all[3].dueAt + .milliseconds(-150))
    lanes.wake(anywhere: true)
    #expect(lanes.wanted(at: Self.now).count == 1 && floor(lanes) == nil)
    // One that was not tried is still where it was.
    take(&lanes, all, Self.fast)
    let sent = lanes.next(at: Self.now)
    lanes.ended(Self.fast, sent[0].id, .dropped, at: Self.now)
    #expect(lanes.wanted(at: Self.now).count == 1 && floor(lanes) == nil)
  }

  @Test func `what waits for a reading is sent once it is there, and nothing waits for it`() {
    var lanes = lanes([Self.fast])
    let all = entries(Self.fast, 0..<3)
    // The last one is read again meanwhile.
    #expect([0, 1, 1].map { lanes.prepare(all[$0].id, for: Self.fast, dueAt: all[$0].dueAt) } == [true, true, false])
    take(&lanes, [all[2]], Self.fast, isAll: false)
    #expect(lanes.next(at: Self.now).map(\.item) == [2])
    #expect(lanes.wanted(at: Self.now).first?.limit == 8 + 3)
    lanes.prepared(all[0])
    lanes.putOff(all[1].id, for: Self.fast)
    #expect(lanes.next(at: Self.now).map(\.item) == [0])
    #expect([0, 1].map { lanes.prepare(all[$0].id, for: Self.fast, dueAt: all[$0].dueAt) } == [false, true])
    // Somebody else sends it by now.
    lanes.open([])
    lanes.open([Self.fast])
    lanes.prepared(all[1])
    #expect(lanes.next(at: Self.now).isEmpty)
    #expect(lanes.prepare(all[1].id, for: Self.slow, dueAt: all[1].dueAt) == false)
  }

  @Test func `an endpoint reads no more while too much of it waits for a reading`() {
    var lanes = WebhookLanes<Int>(WebhookLanes.Limits(preparing: 2))
    lanes.open([Self.fast, Self.slow])
    for entry in entries(Self.slow, 0..<2) { _ = lanes.prepare(entry.id, for: Self.slow, dueAt: entry.dueAt) }
    #expect(lanes.wanted(at: Self.now).map(\.endpointID) == [Self.fast])
  }

  @Test func `a receiver that wants to be left alone is`() {
    var lanes = lanes([Self.slow, Self.fast])
    var next: [UniqueID: Int] = [:]
    let sent = fill(&lanes, &next)
    for entry in sent where entry.endpointID == Self.slow {
      lanes.ended(Self.slow, entry.id, .failed(holding: .seconds(10)), at: Self.now)
    }
    #expect(!lanes.wanted(at: Self.now).contains { $0.endpointID == Self.slow })
    lanes.wake()
    #expect(!lanes.next(at: Self.now + .seconds(9)).contains { $0.endpointID == Self.slow })
    #expect(lanes.next(at: Self.now + .seconds(10)).contains { $0.endpointID == Self.slow })
  }

  @Test func `an endpoint that went to another process is sent nothing, and comes back clean`() {
    var lanes = lanes([Self.fast])
    var next: [UniqueID: Int] = [:]
    let sent = fill(&lanes, &next)
    lanes.open([])
    #expect(lanes.wanted(at: Self.now).isEmpty && lanes.next(at: Self.now).isEmpty)
    #expect(Set(lanes.underWay(of: [Self.fast, Self.slow])) == Set(sent.map(\.id)))
    for entry in sent { lanes.ended(Self.fast, entry.id, .delivered, at: Self.now) }
    lanes.open([Self.fast])
    #expect(lanes.wanted(at: Self.now).count == 1)
    lanes.open([])
    for entry in sent { lanes.recorded(Self.fast, entry.id) }
    #expect(lanes.calling == 0 && lanes.unrecorded == 0)
  }

  @Test func `nothing is sent while too much waits to be recorded`() {
    var lanes = WebhookLanes<Int>(WebhookLanes.Limits(calls: 100, endpointCalls: 64, unrecorded: 6))
    lanes.open([Self.fast])
    var next: [UniqueID: Int] = [:]
    for _ in 1...4 {
      for entry in fill(&lanes, &next) { lanes.ended(Self.fast, entry.id, .delivered, at: Self.now) }
    }
    #expect(lanes.unrecorded == 6 && lanes.wanted(at: Self.now).isEmpty)
  }

  @Test func `random ends keep the counts`() {
    var lanes = lanes(calls: 20, each: 8, [Self.slow, Self.fast])
    var next: [UniqueID: Int] = [:]
    var (under, ended): ([WebhookLanes<Int>.Entry], [WebhookLanes<Int>.Entry]) = ([], [])
    var random = SystemRandomNumberGenerator()
    for _ in 1...2_000 {
      under += fill(&lanes, &next)
      under.shuffle(using: &random)
      if let entry = under.popLast() {
        lanes.ended(entry.endpointID, entry.id, Bool.random() ? .delivered : .failed(holding: .zero), at: Self.now)
        ended.append(entry)
      }
      if Bool.random(), let entry = ended.popLast() { lanes.recorded(entry.endpointID, entry.id) }
      #expect(lanes.calling == under.count && lanes.unrecorded == ended.count && lanes.calling <= 20)
      #expect(under.count { $0.endpointID == Self.slow } <= 8)
    }
  }
}
