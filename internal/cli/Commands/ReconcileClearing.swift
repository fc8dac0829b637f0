import LedgerDomain
import LedgerStore
import Money
import Postgres
import ProcessingDomain
import ProcessingStore
import Values

/// `reconcile clearing`: what must return to zero, and does not.
struct ReconcileClearing: Subcommand {
  static let usage = Usage(
    name: "reconcile clearing", summary: "show what went through clearing by day, and what no statement has settled",
    options: [
      Option("--day", "DAY", "this day alone, such as 2026-01-30 (UTC), with the payments that are open"),
      Option("--days", "N", "so many days up to today; default 14"),
      Option("--limit", "N", "with --day: at most so many payments; default 50"),
    ],
    synopsis: "[--day DAY | --days N] [--limit N]",
    notes: """
      A line a day and currency: charges and refunds, by the day on which they were posted, and what of them is open: the
      bank has listed it in no statement. A day is due once a statement is complete to its end; then open must be 0.

      A line for each gap: a time, from the first statement or payment on, that no statement is complete for. The day
      before today may still come. A line for each settlement of what has not gone through clearing. Then the balances of
      clearing (below zero: the bank owes us) and suspense, which both return to zero.

      Exit status: 0 when nothing is open on a day that is due, there is no gap and no such settlement, 1 otherwise.
      """,
    example: "paysaga reconcile clearing --day 2026-01-30")

  private static let dayLength = Duration.seconds(86_400)
  /// The most settlements that are shown without --day.
  private static let most = 1_000
  private static var today: Timestamp {
    let micros: Int64 = 86_400_000_000
    return Timestamp(microseconds: Timestamp.now().microseconds / micros * micros)
  }

  private let from: Timestamp
  private let to: Timestamp
  private let limit: Int?

  init(_ arguments: Arguments) throws(CommandError) {
    let limit = Int(try arguments.integer("--limit", in: 1...100_000) ?? 50)
    let days = try arguments.integer("--days", in: 1...36_500)
    guard let text = arguments.text("--day") else {
      guard !arguments.has("--limit") else { throw .usage("--limit is for --day") }
      from = Self.today + Self.dayLength * (-Int((days ?? 14) - 1))
      to = Self.today + Self.dayLength
      self.limit = nil
      return
    }
    guard days == nil else { throw .usage("--day and --days exclude each other") }
    guard let day = Timestamp("\(text)T00:00:00Z") else {
      throw .usage("--day expects a day such as 2026-01-30, found \"\(printable(text))\"")
    }
    from = day
    to = day + Self.dayLength
    self.limit = limit
  }

  func run(_ session: Session) throws {
    let connection = try session.processing()
    defer { connection.close() }
    let reader = ClearingReader()
    let coverage = try StatementStore().coverage(on: connection)
    let completeTo = coverage.covered.last?.upperBound
    let days = try reader.days(from: from, to: to, on: connection)
    func isDue(_ day: ClearingDay) -> Bool { completeTo.map { day.day + Self.dayLength <= $0 } ?? false }
    session.output.print(rows: days.map { $0.record(isDue: isDue($0)) })
    let gaps = gaps(coverage, since: days.first?.day)
    session.output.print(rows: gaps.map { ["gap_from": .time($0.lowerBound), "gap_to": .time($0.upperBound)] })
    let transfers = try reader.oneSided(
      from: from, to: to, settlementsOnly: limit == nil, limit: limit ?? Self.most, on: connection)
    let payments = try TransferPayments().find(transfers.map { $0.id }, on: connection)
    session.output.print(rows: transfers.map { $0.record(of: payments[$0.id]) })
    session.output.print(
      rows: try reader.balances(on: connection).map { balance in
        [
          "account": .text(balance.kind == .clearing ? "clearing" : "suspense"),
          "currency": .text(balance.currency.code), "posted": .number(balance.posted),
        ]
      })
    if completeTo == nil { notice("no statement was compared yet, so that nothing is due: paysaga reconcile") }
    if days.contains(where: { isDue($0) && $0.openCount > 0 }) {
      throw CommandError.failure("a day that is due is not settled; see --day and paysaga exceptions")
    }
    if !gaps.isEmpty { throw CommandError.failure("no statement is complete for a time; paysaga reconcile") }
    if transfers.contains(where: \.isSettlement) {
      throw CommandError.failure("a statement has settled what has not gone through clearing; see paysaga exceptions")
    }
  }

  /// The time between that no statement is complete for. Yesterday's may still come.
  /// - Parameter first: the first day on which something went through clearing.
  private func gaps(_ coverage: StatementCoverage, since first: Timestamp?) -> [Range<Timestamp>] {
    let begin = [first, coverage.covered.first?.lowerBound].compactMap { $0 }.min()
    let expected = Self.today + Self.dayLength * -1
    let end = min(to, max(expected, coverage.covered.last?.upperBound ?? expected))
    guard let begin, max(begin, from) < end else { return [] }
    return coverage.gaps(in: max(begin, from)..<end)
  }
}

extension ClearingDay {
  fileprivate func record(isDue: Bool) -> Record {
    [
      "day": .text(String(day.description.prefix(10))), "currency": .text(currency.code),
      "charges": .number(Int64(charges)), "charged": .number(charged), "refunds": .number(Int64(refunds)),
      "refunded": .number(refunded), "open_count": .number(Int64(openCount)), "open": .number(open),
      "due": .bool(isDue),
    ]
  }
}

extension OneSidedTransfer {
  fileprivate func record(of payment: UniqueID?) -> Record {
    [
      "payment_id": payment.map { .uuid($0) } ?? .null, "transfer_id": .uuid(id), "at": .time(at),
      "amount_minor": .number(amount.minorUnits), "currency": .text(amount.currency.code),
      "is": .text(isSettlement ? "settled, not moved" : "moved, not settled"),
    ]
  }
}
