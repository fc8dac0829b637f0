import DirectDomain
import GatewayDomain
import Money
import Testing
import Values

@testable import GatewayAPI
@testable import GatewayStore

/// The decisions about streams, without a clock and without a database.
@Suite struct LiveTableTests {
  private let now = Instant(nanoseconds: 1_000_000_000_000)
  private let moment = Timestamp(microseconds: 1_795_700_000_000_000)
  private let user = UniqueID(high: 1, low: 1)

  private func payment(_ number: UInt64, _ version: Int64 = 1, isFinal: Bool = false) -> GatewayPayment {
    LiveRows.payment(LiveRows.id(at: moment, number), of: user, version, isFinal: isFinal)
  }

  /// The table as a reference, since macros of the tests do not take mutating calls, and its steps as text.
  private final class Table {
    var table: LiveTable<String>
    let moment: Timestamp

    init(_ limits: LiveTable<String>.Limits = LiveTable.Limits(), at moment: Timestamp) {
      table = LiveTable(limits)
      self.moment = moment
    }

    func add(_ name: String, _ start: LiveStart, at now: Instant) -> UInt64 { table.add(name, start, at: now, moment) }
    func take(at now: Instant) -> LiveReading? { table.takeReading(at: now) }
    func changed(_ payments: GatewayPayment...) {
      table.changed(payments.map { PaymentChange($0.id, of: $0.userID) }, at: moment)
    }
    func finish(_ reading: LiveReading, _ payments: GatewayPayment...) -> [String] {
      let found = Dictionary(uniqueKeysWithValues: payments.map { ($0.id, Result<_, GatewayStoreError>.success($0)) })
      return table.finish(reading, found, at: moment).map(done)
    }
    func finish(_ page: LiveReading.Page, _ payments: [GatewayPayment], next: UniqueID? = nil) -> [String] {
      table.finish(page, payments, next: next, at: moment).map(Self.text)
    }
    func fail(_ reading: LiveReading, at now: Instant) -> [String] {
      table.fail(reading, GatewayStoreError(.unavailable, ""), at: now).map(Self.text)
    }
    func drained(_ id: UInt64) { table.drained(id, at: moment) }
    func beats(at now: Instant) -> [String] { table.takeBeats(at: now).map(\.follower) }

    private func done(_ step: LiveStep<String>) -> String {
      if case .end(let id, _) = step { _ = table.remove(id) }
      return Self.text(step)
    }

    static func text(_ step: LiveStep<String>) -> String {
      switch step {
      case .event(_, let name, let payment, _, _), .paged(_, let name, let payment, _, _):
        "\(name) \(payment.id.low) v\(payment.standing.version)"
      case .ready(_, let name, _): "\(name) ready"
      case .end(_, let name): "\(name) end"
      case .missing(let name): "\(name) missing"
      case .trouble(let name, _): "\(name) trouble"
      }
    }
  }

  private func makeTable(_ limits: LiveTable<String>.Limits = LiveTable.Limits()) -> Table {
    Table(limits, at: moment)
  }

  @Test func `a stream of a payment gets each version that is read, and ends after the final one`() throws {
    let table = makeTable()
    let first = payment(1)
    _ = table.add("a", .payment(first.id, after: 0), at: now)
    let reading = try #require(table.take(at: now))
    #expect(reading.payments == [first.id])
    #expect(table.finish(reading, first) == ["a 1 v1"])
    // Nothing is read while nothing changes.
    #expect(table.take(at: now + .seconds(3_600)) == nil)
    table.changed(payment(2), first)
    #expect(try table.finish(#require(table.take(at: now)), payment(1, 3)) == ["a 1 v3"])
    // Two notices, one reading.
    table.changed(first)
    #expect(try table.finish(#require(table.take(at: now)), payment(1, 3)) == [])
    table.changed(first)
    #expect(try table.finish(#require(table.take(at: now)), payment(1, 4, isFinal: true)) == ["a 1 v4", "a end"])
    #expect(table.table.count == 0)
  }

  @Test func `a caller that goes on gets what it has not; one that knows the end is told so`() throws {
    let table = makeTable()
    let id = payment(1).id
    for (name, version) in [("behind", 2), ("there", 3), ("of another time", 9)] {
      _ = table.add(name, .payment(id, after: Int64(version)), at: now)
    }
    let reading = try #require(table.take(at: now))
    #expect(
      table.finish(reading, payment(1, 3)) == ["behind 1 v3", "there ready", "of another time 1 v3"])
    _ = table.add("late", .payment(id, after: 4), at: now)
    let next = try #require(table.take(at: now))
    #expect(table.finish(next, payment(1, 4, isFinal: true)).suffix(1) == ["late end"])
  }

  @Test func `one that comes during a reading is not told from it that there is no such payment`() throws {
    let table = makeTable()
    let first = payment(1)
    _ = table.add("a", .payment(first.id, after: 0), at: now)
    let reading = try #require(table.take(at: now))
    _ = table.add("b", .payment(first.id, after: 0), at: now)
    #expect(table.finish(reading) == ["a missing"])
    #expect(try table.finish(#require(table.take(at: now)), first) == ["b 1 v1"])
  }

  @Test func `a stream of a user begins with the newest payments, and gets each change once`() throws {
    let table = makeTable()
    _ = table.add("u", .user(user, from: nil), at: now)
    // It has nothing before its first page, which is read later and has it.
    table.changed(payment(7))
    let reading = try #require(table.take(at: now))
    #expect(reading.pages.map(\.from) == [nil])
    #expect(table.finish(reading, payment(7)) == [])
    #expect(table.finish(reading.pages[0], [payment(6), payment(7)]) == ["u 6 v1", "u 7 v1"])
    #expect(table.take(at: now + .seconds(3_600)) == nil)
    table.changed(payment(6, 2))
    #expect(try table.finish(#require(table.take(at: now)), payment(6, 3)) == ["u 6 v3"])
    table.changed(payment(6, 3))
    #expect(try table.finish(#require(table.take(at: now)), payment(6, 3)) == [])
    // A reading for who follows the payment is no change.
    _ = table.add("p", .payment(payment(7).id, after: 0), at: now)
    #expect(try table.finish(#require(table.take(at: now)), payment(7)) == ["p 7 v1"])
  }

  @Test func `a stream that goes on gets page after page; changes before them are sent at once`() throws {
    let table = makeTable()
    var position = LivePosition(from: payment(10).id)
    position.sent(payment(3).id, isFinal: false)
    _ = table.add("u", .user(user, from: position), at: now)
    let first = try #require(table.take(at: now)?.pages.first)
    #expect(first.start == payment(10).id && first.from == UniqueID(high: 0, low: 0) && first.open == [payment(3).id])
    #expect(table.finish(first, [payment(3), payment(11)], next: payment(20).id) == ["u 3 v1", "u 11 v1"])
    table.changed(payment(11, 2), payment(21, 2))
    let reading = try #require(table.take(at: now))
    #expect(table.finish(reading, payment(11, 2), payment(21, 2)) == ["u 11 v2"])
    #expect(reading.pages.map(\.from) == [payment(20).id] && reading.pages[0].start == payment(10).id)
    #expect(reading.pages[0].open == [])
    #expect(table.finish(reading.pages[0], [payment(20), payment(21, 2)]) == ["u 20 v1", "u 21 v2"])
    #expect(table.take(at: now) == nil)
    // A user without payments has a stream as well.
    _ = table.add("nobody", .user(.random(), from: nil), at: now)
    #expect(try table.finish(#require(table.take(at: now)?.pages.first), []) == ["nobody ready"])
  }

  @Test func `a page that does not fit goes on where it stopped, and then has what has changed meanwhile`() throws {
    let table = makeTable()
    let position = LivePosition(from: payment(10).id)
    let id = table.add("u", .user(user, from: position), at: now)
    let first = try #require(table.take(at: now)?.pages.first)
    let steps = table.table.finish(
      first, [payment(10, isFinal: true), payment(11), payment(12)], next: payment(13).id, at: moment)
    guard case .paged(_, _, _, _, let before) = steps[1] else { throw LiveRows.Unexpected() }
    table.table.stall(id, at: payment(11).id, before)
    #expect(table.take(at: now) == nil && table.table.waiting == 1)
    // The caller has no room for changes either.
    table.changed(payment(10, 2), payment(11, 2))
    let reading = try #require(table.take(at: now))
    #expect(reading.pages == [] && table.finish(reading, payment(10, 2), payment(11, 2)) == [])
    table.drained(id)
    let second = try #require(table.take(at: now)?.pages.first)
    #expect(second.from == payment(11).id && second.start == payment(10).id && !second.isResumption)
    #expect(table.finish(second, [payment(11, 2), payment(12)]) == ["u 11 v2", "u 12 v1"])
    // The change of the first one is found from the position.
    let third = try #require(table.take(at: now)?.pages.first)
    #expect(third.isResumption && table.finish(third, [payment(10, 2)]) == ["u 10 v2"])
    #expect(table.take(at: now) == nil && table.table.waiting == 0)
  }

  @Test func `a change that does not fit is read again once there is room, and so is what follows it`() throws {
    let table = makeTable()
    let position = LivePosition(from: payment(10).id)
    let ids = [
      table.add("u", .user(user, from: position), at: now), table.add("p", .payment(payment(11).id, after: 1), at: now),
      table.add("all", .all, at: now),
    ]
    let begun = try #require(table.take(at: now))
    _ = table.finish(begun, payment(11))
    for page in begun.pages { _ = table.finish(page, [payment(11)]) }
    table.changed(payment(11, 2))
    let reading = try #require(table.take(at: now))
    let found = [payment(11).id: Result<_, GatewayStoreError>.success(payment(11, 2))]
    for step in table.table.finish(reading, found, at: moment) {
      guard case .event(let id, _, _, _, let before) = step else { throw LiveRows.Unexpected() }
      table.table.stall(id, before)
    }
    #expect(table.table.waiting == 3)
    // Nothing is read for them until there is room.
    table.changed(payment(11, 3), payment(12))
    #expect(try table.finish(#require(table.take(at: now)), payment(11, 3), payment(12)) == [])
    let crowd = try #require(table.take(at: now + .seconds(3_600)))
    #expect(table.finish(crowd, payment(11, 3), payment(12)) == [] && table.take(at: now + .seconds(3_600)) == nil)
    for id in ids { table.drained(id) }
    let again = try #require(table.take(at: now + .seconds(3_600)))
    #expect(again.payments == [payment(11).id] && again.pages.map(\.isResumption) == [true, false])
    #expect(table.finish(again, payment(11, 4, isFinal: true)) == ["p 11 v4", "p end"])
    for page in again.pages { #expect(table.finish(page, [payment(11, 4, isFinal: true), payment(12)]).count == 2) }
    #expect(table.table.waiting == 0 && table.table.count == 2)
  }

  @Test func `the last event of a payment that does not fit comes once there is room, and then the end`() throws {
    let table = makeTable()
    let id = table.add("p", .payment(payment(1).id, after: 0), at: now)
    #expect(try table.finish(#require(table.take(at: now)), payment(1)) == ["p 1 v1"])
    table.changed(payment(1, 3))
    let reading = try #require(table.take(at: now))
    let last = payment(1, 3, isFinal: true)
    guard case .event(_, _, _, _, let before) = table.table.finish(reading, [last.id: .success(last)], at: moment)[0]
    else { throw LiveRows.Unexpected() }
    table.table.stall(id, before)
    table.drained(id)
    #expect(try table.finish(#require(table.take(at: now)), last) == ["p 1 v3", "p end"])
    #expect(table.table.count == 0)
  }

  @Test func `those that follow all get the newest of many changes, after a rest`() throws {
    let table = makeTable(LiveTable.Limits(crowd: 2))
    _ = table.add("all", .all, at: now)
    #expect(try table.finish(#require(table.take(at: now)?.pages.first), [payment(1)]) == ["all 1 v1"])
    table.changed(payment(1), payment(2), payment(3))
    let reading = try #require(table.take(at: now))
    #expect(reading.ofAll == [payment(2).id, payment(3).id])
    #expect(table.finish(reading, payment(2), payment(3)) == ["all 2 v1", "all 3 v1"])
    table.changed(payment(4))
    #expect(table.take(at: now + .milliseconds(199)) == nil)
    #expect(table.table.wakeup == now + .milliseconds(200))
    #expect(table.take(at: now + .milliseconds(200))?.ofAll == [payment(4).id])
  }

  @Test func `a reading that failed ends those that have not begun; the others wait for the next`() throws {
    let table = makeTable()
    let first = payment(1)
    _ = table.add("a", .payment(first.id, after: 0), at: now)
    _ = table.add("u", .user(user, from: nil), at: now)
    let reading = try #require(table.take(at: now))
    _ = table.finish(reading, first)
    _ = table.finish(reading.pages[0], [first])
    _ = table.add("b", .payment(first.id, after: 0), at: now)
    _ = table.add("v", .user(user, from: nil), at: now)
    table.changed(payment(1, 2))
    #expect(try table.fail(#require(table.take(at: now)), at: now) == ["b trouble", "v trouble"])
    #expect(table.take(at: now + .milliseconds(249)) == nil)
    let again = try #require(table.take(at: now + .milliseconds(250)))
    #expect(table.finish(again, payment(1, 2)) == ["a 1 v2", "u 1 v2"])
  }

  @Test func `each stream gets a sign of life, once it has begun and as long as it is there`() throws {
    let table = makeTable()
    _ = table.add("a", .payment(payment(1).id, after: 0), at: now)
    let left = table.add("b", .payment(payment(1).id, after: 0), at: now)
    #expect(table.beats(at: now + .seconds(15)) == [])
    _ = try table.finish(#require(table.take(at: now)), payment(1))
    #expect(table.table.wakeup == now + .milliseconds(30_100))
    #expect(table.beats(at: now + .seconds(29)) == [])
    #expect(table.table.remove(left) == "b" && table.table.remove(left) == nil)
    #expect(table.beats(at: now + .seconds(30)) == ["a"])
    #expect(table.beats(at: now + .seconds(44)) == [])
    #expect(table.beats(at: now + .seconds(45)) == ["a"])
  }

  @Test func `a reading is bounded; the rest comes next`() throws {
    let table = makeTable(LiveTable.Limits(batch: 2, pages: 1))
    for number in 1...5 { _ = table.add("a", .payment(payment(UInt64(number)).id, after: 0), at: now) }
    for _ in 1...3 { _ = table.add("u", .user(user, from: nil), at: now) }
    var (payments, pages) = ([UniqueID](), 0)
    while let reading = table.take(at: now) {
      #expect(reading.payments.count <= 2 && reading.pages.count <= 1)
      payments += reading.payments
      pages += reading.pages.count
    }
    #expect(payments == (1...5).map { payment($0).id } && pages == 3)
  }
}

/// Payments as a table may have them.
enum LiveRows {
  struct Unexpected: Error {}

  static func id(at moment: Timestamp, _ number: UInt64) -> UniqueID {
    UniqueID(high: UniqueID.lowest(at: moment).high, low: number)
  }

  static func payment(
    _ id: UniqueID, of user: UniqueID, _ version: Int64 = 1, isFinal: Bool = false,
    since: Timestamp = Timestamp(microseconds: 0)
  ) -> GatewayPayment {
    let state: PaymentState = isFinal ? .completed : version == 1 ? .created : .processing
    return GatewayPayment(
      id: id,
      standing: PaymentStanding(state: state, reason: nil, version: version, since: since),
      userID: user, payeeID: UniqueID(high: 7, low: 7), apiKeyID: nil, source: .account(masked: "****"),
      amount: Money(minorUnits: 1, Currency("EUR")!), orderID: nil, externalID: nil, description: nil,
      metadata: .empty, createdAt: Timestamp(microseconds: 0))
  }
}
