import DirectDomain
import Money
import Randomness
import RiskDomain
import Testing
import Values

@Suite struct RiskHistoryTests {
  static let euro = Currency("EUR")!
  static let yen = Currency("JPY")!
  static let start = Timestamp(microseconds: 1_800_000_000_000_000)

  private func euros(_ amount: Int64) -> Money { Money(minorUnits: amount, Self.euro) }

  @Test func `a window covers its length, and a bucket more at most`() {
    var history = RiskHistory()
    history.add(euros(5), at: Self.start)
    for (window, length, bucket) in [(RiskWindow.minute, 60, 5), (.hour, 3_600, 60), (.day, 86_400, 1_800)] {
      let inside = Self.start + .seconds(length)
      let outside = Self.start + .seconds(length + bucket)
      #expect(history.usage(at: inside, in: Self.euro)[window] == RiskCount(count: 1, sum: 5))
      #expect(history.usage(at: outside, in: Self.euro)[window] == RiskCount())
    }
  }

  @Test func `sums are by currency, counts are not`() {
    var history = RiskHistory()
    history.add(euros(5), at: Self.start)
    history.add(Money(minorUnits: 700, Self.yen), at: Self.start)
    #expect(history.usage(at: Self.start, in: Self.euro).minute == RiskCount(count: 2, sum: 5))
    #expect(history.usage(at: Self.start, in: Self.yen).day == RiskCount(count: 2, sum: 700))
    #expect(history.usage(at: Self.start, in: Currency("USD")!).hour == RiskCount(count: 2))
  }

  @Test func `sums stop at the end of the type`() {
    var history = RiskHistory()
    for _ in 0..<3 { history.add(euros(.max), at: Self.start) }
    #expect(history.usage(at: Self.start, in: Self.euro).minute == RiskCount(count: 3, sum: .max))
    #expect(RiskHistory(packed: history.packed) == history)
  }

  @Test func `a clock that is set back forgets nothing of the window, and holds nobody for ever`() {
    var history = RiskHistory()
    history.add(euros(5), at: Self.start + .seconds(30))
    #expect(history.usage(at: Self.start, in: Self.euro).minute.count == 1)
    #expect(history.usage(at: Timestamp(microseconds: 0), in: Self.euro).day.count == 0)
    history.add(euros(5), at: Timestamp(microseconds: .min))
    #expect(history.usage(at: Timestamp(microseconds: 0), in: Self.euro).day.count == 1)
    history.add(euros(5), at: Timestamp(microseconds: .max))
    #expect(history.usage(at: Timestamp(microseconds: .max), in: Self.euro).day.count == 1)
  }

  /// Against a plain list of payments.
  @Test(arguments: UInt64(0)..<8)
  func `what was counted is what was paid`(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    var history = RiskHistory()
    var paid: [(Timestamp, Money)] = []
    var now = Self.start
    for _ in 0..<150 {
      now = now + .seconds(Int.random(in: 0...[3, 50, 2_000].randomElement(using: &random)!, using: &random))
      let amount = Money(
        minorUnits: Int64.random(in: 1...1_000, using: &random), Bool.random(using: &random) ? Self.euro : Self.yen)
      history.add(amount, at: now)
      paid.append((now, amount))
      let usage = history.usage(at: now, in: Self.euro)
      for (window, length, bucket) in [(RiskWindow.minute, 60, 5), (.hour, 3_600, 60), (.day, 86_400, 1_800)] {
        let size = Int64(bucket) * 1_000_000
        let from = (now.microseconds / size - Int64(length / bucket)) * size
        let covered = paid.filter { $0.0.microseconds >= from }
        let sum = covered.filter { $0.1.currency == Self.euro }.reduce(0) { $0 + $1.1.minorUnits }
        #expect(usage[window] == RiskCount(count: Int64(covered.count), sum: sum))
      }
      #expect(RiskHistory(packed: history.packed) == history)
    }
    // It does not grow with the payments: two currencies, and the buckets of each window.
    #expect(history.packed.count < 2 * (13 + 61 + 49) * 16)
  }

  @Test func `failures are those of ten minutes, in stretches of 30 seconds`() {
    func moment(_ seconds: Int64) -> Timestamp { Self.start + .seconds(seconds) }
    var history = RiskHistory()
    for seconds in stride(from: Int64(0), through: 300, by: 60) { history.addFailure(at: moment(seconds)) }
    history.addFailure(at: moment(300))
    #expect(history.failureCount(at: moment(300)) == 7)
    #expect(history.failureCount(at: moment(600)) == 7)
    #expect(history.failureCount(at: moment(600 + 31)) == 6)
    #expect(history.failureCount(at: moment(300 + 631)) == 0)
    #expect(RiskHistory(packed: history.packed) == history)
    // Old ones are forgotten, and a payment is no failure.
    history.addFailure(at: moment(2_000))
    history.add(euros(1), at: moment(2_000))
    #expect(history.failureCount(at: moment(2_000)) == 1)
    #expect(history.usage(at: moment(2_000), in: Self.euro).minute.count == 1)
    #expect(RiskHistory(packed: history.packed) == history)
    // Neither a clock that was set back nor the last moments trap.
    #expect(history.failureCount(at: moment(1_900)) == 1)
    history.addFailure(at: Timestamp(microseconds: .max))
    #expect(history.failureCount(at: Timestamp(microseconds: .max)) == 1)
    #expect(history.failureCount(at: Timestamp(microseconds: .min)) == 0)
  }

  @Test func `the last 32 that a user has paid with are remembered`() {
    func card(_ number: UInt8) -> RiskKey { RiskKey(.card, Array(repeating: number, count: 32)) }
    let user = RiskKey(.user, UniqueID(high: 1, low: 2))
    var history = RiskHistory()
    #expect(!history.knows(user) && !history.isRemembered)
    for number in 0..<40 as Range<UInt8> {
      history.remember([user, card(number)])
      history.remember([user, card(0)])
    }
    #expect(history.knows(user) && history.knows(card(0)) && history.knows(card(39)) && history.knows(card(10)))
    #expect(!history.knows(card(9)) && !history.knows(RiskKey(.account, Array(repeating: 39, count: 32))))
    #expect(RiskHistory(packed: history.packed) == history)
    #expect(history.packed.count == 1 + RiskHistory.maximumMarks * 9)
    // One more, or one twice, is nothing of ours.
    #expect(RiskHistory(packed: history.packed + [4, 1, 2, 3, 4, 5, 6, 7, 8]) == nil)
    let once = history.packed.prefix(10)
    #expect(RiskHistory(packed: Array(once + once.dropFirst())) == nil)
    // Who was counted before anything was remembered is not new.
    var counted = RiskHistory()
    counted.add(euros(1), at: Self.start)
    #expect(counted.knows(user) && !counted.knows(card(1)))
  }

  @Test func `keys of different subjects are counted under different ids`() {
    let bytes: [UInt8] = Array(1...32)
    #expect(Set(RiskSubject.allCases.map { RiskKey($0, bytes).id }).count == 4)
    #expect(RiskKey(.user, bytes).id == UniqueID("01020304-0506-0708-090a-0b0c0d0e0f10"))
    #expect(RiskKey(.user, UniqueID(high: 3, low: 4)).id == UniqueID(high: 3, low: 4))
    // What differs behind the first 16 bytes is another key all the same.
    #expect(RiskKey(.card, bytes) != RiskKey(.card, Array(bytes.dropLast()) + [0]))
  }

  @Test func `anything else than packed bytes is refused`() {
    var history = RiskHistory()
    history.add(euros(300), at: Self.start)
    history.add(Money(minorUnits: 1, Self.yen), at: Self.start)
    history.addFailure(at: Self.start)
    history.addFailure(at: Timestamp(microseconds: Self.start.microseconds + 60_000_000))
    history.remember([RiskKey(.user, UniqueID(high: 1, low: 2)), RiskKey(.card, [9])])
    let packed = history.packed
    #expect(RiskHistory(packed: packed) == history)
    for length in 0..<packed.count where RiskHistory(packed: Array(packed.prefix(length))) != nil {
      // The end of a bucket is no truncation that can be seen.
      let short = RiskHistory(packed: Array(packed.prefix(length)))
      #expect(short?.packed == Array(packed.prefix(length)))
    }
    #expect(RiskHistory(packed: []) == nil && RiskHistory(packed: [2]) == nil)
    var random = SplitMix64(seed: 1)
    for _ in 0..<5_000 {
      var bytes = packed
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      // What is read is written as it was, so that nothing is read in two ways; nothing traps.
      guard let read = RiskHistory(packed: bytes) else { continue }
      #expect(read.packed == bytes)
      _ = read.usage(at: Self.start, in: Self.euro)
    }
  }

  @Test func `features are read back, and nothing else is`() throws {
    var usage = RiskUsage()
    usage.minute = RiskCount(count: 1, sum: 2)
    usage.day = RiskCount(count: .max, sum: .max)
    let features = RiskFeatures(
      listing: RiskListing(.block, .account), firstUse: [.user, .card], failures: [.user: 3],
      usage: [.card: usage, .user: RiskUsage()])
    var json: [UInt8] = []
    features.appendJSON(to: &json)
    #expect(
      String(decoding: json, as: UTF8.self) == #"""
        {"listed":"block_list.account","first_use":["card","user"],"failures":{"user":3},"card":{"1m":[1,2],"1h":[0,0],\#
        "24h":[9223372036854775807,9223372036854775807]},"user":{"1m":[0,0],"1h":[0,0],"24h":[0,0]}}
        """#)
    #expect(try RiskFeatures(json: json) == features)
    #expect(try RiskFeatures(json: Array("{}".utf8)) == RiskFeatures())
    for (text, fault) in [
      (#"{"card":{"1m":[1,2],"1h":[0,0]}}"#, "card: 24h is missing"),
      (#"{"card":{"1m":[1]}}"#, "card.1m: expected a count and a sum"),
      (#"{"card":{"1m":[1,-1]}}"#, "card.1m[1]: expected 0 or more, found -1"),
      (#"{"card":{"5m":[1,1]}}"#, "card.5m: unknown field"), (#"{"iban":{}}"#, "iban: unknown field"),
      (#"{"listed":"grey_list.user"}"#, "listed: no list and subject"),
      (#"{"failures":{"payee":1}}"#, "failures.payee: unknown field"),
      (#"{"failures":{"card":0}}"#, "failures.card: expected 1 or more, found 0"),
      (#"{"first_use":["payee"]}"#, #"first_use[0]: expected one of user, card, account, found "payee""#),
    ] {
      #expect { try RiskFeatures(json: Array(text.utf8)) } throws: { error in "\(error)" == fault }
    }
  }
}
