import Testing
import Values

@testable import SagaAudit

/// A ledger with names for what goes in; partition 0 unless told otherwise.
private struct Book {
  var ledger: AuditLedger
  private var offsets: [Int32: Int64] = [:]

  init(
    since: Int64 = .min, kept: Int64 = .min, marks: [Int64] = [1_000], payments: Bool = false, cut: [Bool] = [false],
    limit: Int = 10, replays: [UniqueID: Int] = [:]
  ) {
    ledger = AuditLedger(
      scope: AuditLedger.Scope(
        since: since, keptSince: kept, marksBefore: marks, checksPayments: payments, limit: limit, replays: replays),
      expected: 0, starts: cut.map { (offset: 0, isCut: $0) })
  }

  static func id(_ key: String, _ sequence: Int64) -> UniqueID {
    UniqueID(high: AuditHash.of(Array(key.utf8)), low: UInt64(bitPattern: sequence))
  }

  mutating func row(
    _ key: String, _ sequence: Int64, _ status: AuditLedger.Status = .done, created: Int64 = 1_000_000_000,
    payload: String = "{}"
  ) {
    ledger.addEvent(
      id: Self.id(key, sequence), key: Array(key.utf8), sequence: sequence, status: status,
      payload: Array(payload.utf8), created: Timestamp(microseconds: created))
  }

  mutating func message(
    _ key: String, _ sequence: Int64, partition: Int32 = 0, offset: Int64? = nil, time: Int64 = 2_000_000_000,
    payload: String = "{}"
  ) {
    let offset = offset ?? offsets[partition, default: 0]
    offsets[partition] = offset + 1
    ledger.take(
      partition: partition, offset: offset, timestamp: Timestamp(microseconds: time), key: Array(key.utf8),
      value: Array(payload.utf8), identity: Array(Self.id(key, sequence).description.utf8),
      sequence: Array(String(sequence).utf8))
  }

  mutating func counts() -> [AuditReport.Kind: Int] { ledger.finish().counts }
}

@Suite struct AuditLedgerTests {
  @Test func whatAgreesIsQuiet() {
    var book = Book()
    for key in ["1", "2", "not a number"] {
      book.row(key, 1)
      book.row(key, 2)
      book.message(key, 1)
      book.message(key, 2)
    }
    book.row("3", 1, .waiting)
    book.row("4", 1, .dead)
    let report = book.ledger.finish()
    #expect(report.counts.isEmpty && report.outcome(allowsDuplicates: false) == .agree)
    #expect((report.done, report.pending, report.dead, report.messages) == (6, 1, 1, 6))
  }

  @Test func eachKindIsFound() {
    var book = Book()
    book.row("1", 1)
    book.row("2", 1)
    book.row("2", 2)
    book.message("2", 2)
    book.message("2", 1)
    book.message("2", 1)
    book.message("9", 1)
    book.row("3", 1, payload: "{1}")
    book.message("3", 1, payload: "{2}")
    book.row("4", 1)
    book.row("4", 3)
    book.message("4", 1)
    book.message("4", 3)
    #expect(book.counts() == [.missing: 1, .order: 1, .duplicate: 1, .unknown: 1, .differs: 1, .gap: 1])
  }

  @Test func aReplayIsCountedAndAFurtherCopyIsADuplicate() {
    var book = Book(replays: [Book.id("1", 1): 1, Book.id("2", 1): 2])
    book.row("1", 1)
    book.row("2", 1)
    for _ in 0..<3 {
      book.message("1", 1)
      book.message("2", 1)
    }
    let report = book.ledger.finish()
    #expect(report.replayed == 3)
    #expect(report.counts == [.duplicate: 1])
  }

  @Test func offendersAreBoundedAndCountsAreNot() {
    var book = Book(limit: 3)
    for number in 1...50 { book.row("\(number)", 1) }
    let report = book.ledger.finish()
    #expect(report.counts == [.missing: 50])
    #expect(report.offenders.map(\.key) == ["1", "2", "3"])
  }

  @Test func messagesAboveTheFirstMarksMayBeNewerThanTheTables() {
    var book = Book(marks: [2])
    for number in 1...4 { book.message("\(number)", 1) }
    let report = book.ledger.finish()
    #expect(report.counts == [.unknown: 2])
    #expect(report.newer == 2)
  }

  @Test func messagesOlderThanTheKeptDaysAreOutOfRetention() {
    var book = Book(kept: 5_000_000_000)
    book.message("1", 1, time: 4_000_000_000)
    book.message("2", 1, time: 6_000_000_000)
    // Within the minute that clocks may differ by.
    book.message("3", 1, time: 5_050_000_000)
    let report = book.ledger.finish()
    #expect(report.outOfRetention == 2)
    #expect(report.counts == [.unknown: 1])
  }

  @Test func whatLayBeforeACutIsUnverifiable() {
    var book = Book(cut: [true])
    book.row("1", 1, created: 1_000_000_000)
    book.row("2", 1, created: 9_000_000_000)
    book.row("2", 2, created: 9_000_000_000)
    // The first that is left was written at 5,000 s.
    book.message("2", 2, offset: 700, time: 5_000_000_000)
    let report = book.ledger.finish()
    #expect(report.unverifiable == [0: 1])
    #expect(report.counts == [.missing: 1])
  }

  @Test func anEmptyPartitionWithoutBeginningTellsNothing() {
    var book = Book(cut: [true])
    book.row("1", 1)
    let report = book.ledger.finish()
    #expect(report.unverifiable == [0: 1])
    #expect(report.outcome(allowsDuplicates: false) == .unverifiable)
  }

  @Test func aJumpInTheOffsetsIsACutToo() {
    var book = Book()
    book.row("1", 1)
    book.message("9", 1, offset: 0)
    book.message("8", 1, offset: 10, time: 3_000_000_000)
    #expect(book.ledger.finish().unverifiable == [0: 1])
  }

  @Test func ofTheTimeBeforeSinceNothingIsSaid() {
    var book = Book(since: 5_000_000_000)
    book.row("1", 1, created: 1_000_000_000)
    book.row("2", 1, created: 6_000_000_000)
    book.message("9", 1, time: 1_000_000_000)
    let report = book.ledger.finish()
    #expect(report.notJudged == 1)
    #expect(report.counts == [.missing: 1])
    #expect(report.messages == 0)
  }

  @Test func aCutBeforeSinceDoesNotMatter() {
    var book = Book(since: 5_000_000_000, cut: [true])
    book.row("1", 1, created: 6_000_000_000)
    book.message("9", 1, offset: 700, time: 1_000_000_000)
    let report = book.ledger.finish()
    #expect(report.unverifiable.isEmpty && report.counts == [.missing: 1])
  }

  @Test func aKeyInTwoPartitionsHasNoOrder() {
    var book = Book(marks: [1_000, 1_000], cut: [false, false])
    book.row("1", 1)
    book.row("1", 2)
    book.message("1", 1, partition: 0)
    book.message("1", 2, partition: 1)
    #expect(book.counts() == [.order: 1])
  }

  @Test func aWaitingEventMayNotBeOvertaken() {
    var book = Book()
    book.row("1", 1, .waiting)
    book.row("1", 2, .waiting)
    book.row("2", 1, .waiting)
    book.row("2", 2, .waiting)
    book.message("1", 2)
    book.message("2", 1)
    #expect(book.counts() == [.order: 1])
  }

  @Test func paymentsAreHeldAgainstTheirNewestEvent() {
    var book = Book(kept: 100_000_000, payments: true)
    for key in ["1", "2", "3"] {
      book.row(key, 1, payload: "{\"status\":\"CREATED\"}")
      book.message(key, 1, payload: "{\"status\":\"CREATED\"}")
    }
    func pay(_ order: Int64, _ status: PaymentWord, _ version: Int64, _ updated: Int64 = 1_000_000_000) {
      book.ledger.addPayment(
        order: order, status: status, version: version, money: .untold, updated: Timestamp(microseconds: updated))
    }
    pay(1, .created, 1)
    pay(2, .failed, 1)
    pay(4, .created, 1)
    // Its events may have been dropped.
    pay(5, .created, 1, 50_000_000)
    #expect(book.counts() == [.state: 1, .noEvent: 1, .noPayment: 1])
  }

  @Test func amountsAreHeldAgainstTheNewestEventThatSaysOne() {
    var book = Book(kept: 100_000_000, payments: true)
    func pay(_ order: Int64, payload: String, _ amount: Int64, _ currency: String) {
      book.row(String(order), 1, payload: payload)
      book.message(String(order), 1, payload: payload)
      book.ledger.addPayment(
        order: order, status: .created, version: 1, money: PaymentMoney(amountMinor: amount, currency: currency),
        updated: Timestamp(microseconds: 1_000_000_000))
    }
    let told = "{\"amount_minor\":250,\"currency\":\"EUR\",\"status\":\"CREATED\"}"
    pay(1, payload: told, 250, "EUR")
    pay(2, payload: "{\"status\":\"CREATED\"}", 250, "EUR")
    #expect(book.counts() == [:])
    pay(3, payload: told, 251, "EUR")
    pay(4, payload: told, 250, "USD")
    #expect(book.counts() == [.state: 2])
  }

  @Test func rowsThatCannotBeReadAreToldAndTheRestIsJudged() {
    var book = Book(kept: 100_000_000, payments: true)
    book.ledger.addUnreadable(key: "1", "event 7: key is NULL")
    book.row("2", .min, payload: "{}")
    book.row("2", .max, payload: "{}")
    book.message("2", .min, payload: "{}")
    #expect(book.counts()[.unreadable] == 1)
    // A payment of another version's status is told of even when its event says the same.
    book.row("3", 1, payload: "{\"status\":\"REFUNDED\"}")
    book.ledger.addPayment(
      order: 3, status: PaymentWord("REFUNDED"), version: 1, money: .untold,
      updated: Timestamp(microseconds: 1_000_000_000))
    #expect(book.counts()[.state] == 1)
  }

  @Test func theIndexGrows() {
    var index = PositionIndex(capacity: 0)
    for position in 0..<10_000 {
      index.insert(position, hash: AuditHash.mix(UInt64(position))) { AuditHash.mix(UInt64($0)) }
    }
    for position in 0..<10_000 {
      #expect(index.find(AuditHash.mix(UInt64(position))) { $0 == position } == position)
    }
    #expect(index.find(AuditHash.mix(10_001)) { $0 == 10_001 } == nil)
  }
}
