import Testing
import Values

@testable import LedgerDomain

@Suite struct ChainTests {
  private func hex(_ bytes: [UInt8]) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 0xF, radix: 16) }.joined()
  }

  /// The bytes are PostgreSQL's: uuid_send, int2send, int8send, int4send(octet_length) and the text, timestamptz_send.
  @Test func `a transfer has the bytes that the server sends`() throws {
    var transfer = ChainedTransfer(
      id: try #require(UniqueID("0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e10")), kind: 3,
      debit: try #require(UniqueID("00000000-0000-0002-0000-000000455552")),
      credit: try #require(UniqueID("11111111-1111-4111-8111-111111111111")), amount: 1_999, currency: "EUR",
      pendingID: nil, at: try #require(Timestamp("2026-01-31T08:15:00.000250Z")), transaction: 4_711)
    var bytes: [UInt8] = []
    transfer.append(to: &bytes)
    let front = "0198c5b26c1e7d558a1b3f2f0a9c7e1000030000000000000002000000000045555211111111111141118111111111111111"
    let middle = "00000000000007cf00000003455552"
    let end = "0002eca97467a9fa0000000000001267"
    #expect(hex(bytes) == front + middle + "00" + end)
    transfer.pendingID = transfer.credit
    bytes = []
    transfer.append(to: &bytes)
    #expect(hex(bytes) == front + middle + "0111111111111141118111111111111111" + end)
  }

  @Test func `whatever a row holds has bytes`() {
    var bytes: [UInt8] = []
    ChainedTransfer(
      id: UniqueID(high: .max, low: .max), kind: .min, debit: UniqueID(high: 0, low: 0),
      credit: UniqueID(high: 0, low: 0), amount: .min, currency: "€", pendingID: nil,
      at: Timestamp(microseconds: .min), transaction: .max
    ).append(to: &bytes)
    #expect(bytes.count == 16 + 2 + 32 + 8 + 4 + 3 + 1 + 16)
  }

  // MARK: - What to seal

  private func block(_ number: Int64 = 5, _ range: Range<Int64> = 100..<200, history: Int64 = 7) -> ChainBlock {
    ChainBlock(
      number: number, range: range, laterThan: SealingPlan.dawn, lastAt: Timestamp(microseconds: 1_000), count: 3,
      hash: ChainBlock.beginning, history: history)
  }

  private func server(_ oldest: Int64, _ next: Int64, _ history: Int64 = 7) -> SealingPlan.Server {
    SealingPlan.Server(oldestRunning: oldest, next: next, history: history)
  }

  @Test func `what is older than every running transaction is sealed`() {
    let first = SealingPlan(after: nil, server(300, 310))
    #expect(
      first.stretches == [.init(first: 0, end: 300, laterThan: SealingPlan.dawn, until: nil, history: 7)])
    let next = SealingPlan(after: block(), server(300, 310))
    #expect(!next.isAfresh)
    #expect(
      next.stretches == [.init(first: 200, end: 300, laterThan: SealingPlan.dawn, until: nil, history: 7)])
    #expect(!SealingPlan.needsStrangers(after: block(), server(200, 200)))
  }

  @Test(arguments: [(Int64(150), Int64(7)), (50, 8), (300, 8)])
  func `numbers that begin anew are told apart by time`(oldest: Int64, history: Int64) {
    let plan = SealingPlan(
      after: block(), server(oldest, oldest + 5, history), latestStranger: Timestamp(microseconds: 1_500))
    #expect(plan.isAfresh)
    let turn = Timestamp(microseconds: 1_500)
    #expect(
      plan.stretches == [
        .init(first: 200, end: nil, laterThan: SealingPlan.dawn, until: turn, history: 7),
        .init(first: 0, end: oldest, laterThan: turn, until: nil, history: history),
      ])
    let without = SealingPlan(after: block(), server(oldest, oldest + 5, history))
    #expect(without.stretches[1].laterThan == block().lastAt)
  }

  @Test func `blocks follow each other without a gap`() {
    let (first, last) = (block(1, 0..<100), block(2, 100..<200))
    #expect(first.follows(nil) && last.follows(first))
    #expect(!last.follows(nil) && !first.follows(last) && !block(3, 100..<200).follows(first))
    #expect(!block(2, 101..<200).follows(first) && !block(1, 5..<100).follows(nil))
    var anew = block(2, 0..<50)
    #expect(!anew.follows(first))
    anew.laterThan = first.lastAt
    #expect(anew.follows(first))
    anew.laterThan = Timestamp(microseconds: first.lastAt.microseconds - 1)
    #expect(!anew.follows(first), "it would have transfers that the old server wrote")
  }
}
