import DirectDomain
import LedgerDomain
import Money
import Testing
import Values

@testable import ProcessingDomain

@Suite("Statements of the bank")
struct StatementReaderTests {
  private static let euro = Currency("EUR")!
  private static let id = UniqueID("0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e10")!
  private static let csv = """
    operation_id,amount,currency,status,time
    0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e10,19.99,EUR,succeed,2026-11-26T10:00:00Z
    0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e11,1999,JPY,error,2026-11-26T11:00:00+01:00

    """

  private func read(_ text: String, pieces: Int = .max, _ format: StatementReader.Format? = nil) throws
    -> [StatementRow]
  {
    var reader = StatementReader(format: format)
    var rows: [StatementRow] = []
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      try reader.read(rest.prefix(pieces), into: &rows)
      rest = rest.dropFirst(pieces)
    }
    try reader.finish(into: &rows)
    return rows
  }

  private func problem(_ text: String) -> String {
    do {
      return "read \(try read(text).count) rows"
    } catch {
      return "\(error)"
    }
  }

  private func row(_ fields: String) -> String { "operation_id,amount,currency,status,time\n\(fields)" }

  @Test func `both forms say the same, in any order of fields, however they come`() throws {
    let expected = [
      StatementRow(
        line: 2, operationID: Self.id, amount: Money(minorUnits: 1_999, Self.euro), status: .succeed,
        at: Timestamp("2026-11-26T10:00:00Z")!),
      StatementRow(
        line: 3, operationID: UniqueID("0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e11")!,
        amount: Money(minorUnits: 1_999, Currency("JPY")!), status: .error, at: Timestamp("2026-11-26T10:00:00Z")!),
    ]
    for pieces in [1, 2, 7, 64, .max] { #expect(try read(Self.csv, pieces: pieces) == expected) }
    let json = """
      {"operation_id":"0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e10","amount":19.99,"currency":"EUR","status":"succeed",\
      "time":"2026-11-26T10:00:00Z","x":[1]}
      {"time":"2026-11-26T10:00:00Z","status":"error","amount":"1999","currency":"JPY",\
      "operation_id":"0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e11"}
      """
    for pieces in [1, 3, .max] {
      let rows = try read(json, pieces: pieces)
      #expect(rows.map(\.operationID) == expected.map(\.operationID) && rows.map(\.line) == [1, 2])
      #expect(rows.map(\.amount) == expected.map(\.amount) && rows.map(\.status) == expected.map(\.status))
    }
  }

  @Test func `quotes, line ends, further columns and a mark of the byte order are read`() throws {
    let text =
      "\u{FEFF}time,note,\"operation_id\",amount,currency,status\r\n"
      + "2026-11-26T10:00:00Z,\"two\nlines, \"\"quoted\"\"\",0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e10,\"5\",EUR,succeed\r\n\r\n"
      + "2026-11-26T10:00:00Z,,0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e10,5.5,EUR,reversed"
    let rows = try read(text)
    #expect(rows.map(\.line) == [2, 5] && rows.map(\.amount.minorUnits) == [500, 550])
    #expect(rows.map(\.status) == [.succeed, .reversed])
  }

  @Test func `a fault names line and field and quotes nothing`() {
    let time = "2026-11-26T10:00:00Z"
    let cases = [
      ("", "line 1: expected a line of names: operation_id, amount, currency, status, time"),
      ("operation_id,amount,currency,status\n", "line 1: the line of names has no time"),
      ("time,time,operation_id,amount,currency,status\n", "line 1: the line of names has time twice"),
      (row("secret,1,EUR,succeed,\(time)"), "line 2: operation_id: expected a UUID"),
      (row("\(Self.id),1,EUR,succeed"), "line 2: expected 5 fields, found 4"),
      (row("\(Self.id),1.999,EUR,succeed,\(time)"), "line 2: amount: more decimals"),
      (row("\(Self.id),-1,EUR,succeed,\(time)"), "line 2: amount: expected an amount without a sign"),
      (row("\(Self.id),99999999999999999999,EUR,succeed,\(time)"), "line 2: amount: an amount of more minor units"),
      (row("\(Self.id),0,EUR,succeed,\(time)"), "line 2: amount: expected more than zero"),
      (row("\(Self.id),1,XXX,succeed,\(time)"), "line 2: currency: expected a code"),
      (row("\(Self.id),1,EUR,done,\(time)"), "line 2: status: expected one of succeed, error, reversed"),
      (row("\(Self.id),1,EUR,succeed,yesterday"), "line 2: time: expected a time"),
      (row("\"\(Self.id),1,EUR,succeed,\(time)"), "line 2: a quoted field that does not end"),
      (row("\(Self.id),1\"2\",EUR,succeed,\(time)"), "line 2: a quote within a field"),
      (row("\(Self.id),\"1\"2,EUR,succeed,\(time)"), "line 2: expected a comma after"),
      (row(String(repeating: "x", count: 70_000)), "line 2: a row of more than 65536 bytes"),
      (#"{"amount":1}"#, "line 1: operation_id: missing"), ("{", "line 1: "),
      (#"{"operation_id":"\#(Self.id)","amount":1,"currency":"EUR","status":"succeed"}"#, "line 1: time: missing"),
      (
        #"{"operation_id":"\#(Self.id)","amount":1e3,"currency":"EUR","status":"succeed","time":"\#(time)"}"#,
        "line 1: "
      ),
    ]
    for (text, expected) in cases {
      let problem = problem(text)
      #expect(problem.hasPrefix(expected), "\(text.prefix(200))")
      #expect(!problem.contains("secret"))
    }
    // An amount of zero is what a bank may list for what it refused.
    #expect(problem(row("\(Self.id),0,EUR,error,\(time)")) == "read 1 rows")
  }

  @Test func `a statement that is cut anywhere gives rows or a fault, and never another row`() throws {
    let whole = try read(Self.csv)
    for length in 0...Self.csv.utf8.count {
      let rows = (try? read(String(decoding: Self.csv.utf8.prefix(length), as: UTF8.self))) ?? []
      #expect(whole.starts(with: rows), "cut at \(length)")
    }
  }

  // MARK: - The comparison

  private static let clearing = UniqueID(high: 2, low: 0x45_5552)
  private static let world = UniqueID(high: 5, low: 0x45_5552)

  private func payment(
    _ state: String = "COMPLETED", amount: Int64 = 1_999, method: String = "account", isRefund: Bool = false
  ) -> StatedPayment {
    let payee = UniqueID(high: 9, low: 9)
    return StatedPayment(
      method: PaymentMethod(rawValue: method)!, amount: Money(minorUnits: amount, Self.euro),
      state: PaymentState(rawValue: state)!, isUncharged: false,
      debit: isRefund ? payee : Self.clearing, credit: isRefund ? Self.clearing : payee)
  }

  private func operation(
    _ status: StatementRow.Status = .succeed, amount: Int64 = 1_999, copies: Int64 = 1, contradicts: Bool = false
  ) -> StatedOperation {
    StatedOperation(
      row: StatementRow(
        line: 7, operationID: Self.id, amount: Money(minorUnits: amount, Self.euro), status: status,
        at: Timestamp(microseconds: 0)), copies: copies, contradictsItself: contradicts)
  }

  @Test func `each way in which a statement and the tables can differ has its verdict`() {
    func verdict(_ operation: StatedOperation, _ payment: StatedPayment?) -> StatementVerdict {
      StatementJudge.verdict(operation, payment)
    }
    func kind(_ verdict: StatementVerdict) -> PaymentException? {
      if case .found(let kind, _) = verdict { kind } else { nil }
    }
    #expect(verdict(operation(), payment()) == .matched(isMoved: true))
    #expect(verdict(operation(.error), payment("REJECTED")) == .matched(isMoved: false))
    #expect(verdict(operation(.reversed), payment("ERROR")) == .matched(isMoved: false))
    #expect(kind(verdict(operation(), nil)) == .missingHere)
    #expect(kind(verdict(operation(), payment(method: "balance"))) == .missingHere)
    #expect(kind(verdict(operation(amount: 2_000), payment())) == .amountDiffers)
    #expect(kind(verdict(operation(amount: 2_000), payment("UNKNOWN"))) == .amountDiffers)
    #expect(kind(verdict(operation(copies: 2, contradicts: true), payment("UNKNOWN"))) == .duplicateStated)
    // What was refused need not be listed with its amount.
    #expect(verdict(operation(.error, amount: 0), payment("REJECTED")) == .matched(isMoved: false))
    for state in ["UNKNOWN", "PROCESSING", "REVIEW", "REJECTED", "ERROR"] {
      #expect(verdict(operation(), payment(state)) == .tell(.approved), "\(state)")
    }
    #expect(verdict(operation(.error), payment()) == .tell(.declined))
    #expect(verdict(operation(.reversed), payment()) == .tell(.reversed))
    #expect(StatementJudge.duplicate(operation(copies: 2))?.contains("line 7") == true)
    #expect(StatementJudge.duplicate(operation()) == nil)
  }

  @Test func `a statement is somebody else's when most of it, and much, is of nobody here`() {
    let cases = [
      (1_000, 1_000, false), (1_001, 1_001, true), (1_001, 2_001, true), (1_001, 2_002, false),
      (500_000, 1_000_000, false),
    ]
    for (missing, total, isForeign) in cases {
      #expect(StatementJudge.isForeign(missing: missing, of: total) == isForeign, "\(missing) of \(total)")
    }
  }

  @Test func `what came out of clearing comes back from the world, and the other way round`() {
    let charge = StatementJudge.settlement(Self.id, payment())
    #expect(charge?.debit == Self.world && charge?.credit == Self.clearing && charge?.amount.minorUnits == 1_999)
    let refund = StatementJudge.settlement(Self.id, payment(isRefund: true))
    #expect(refund?.debit == Self.clearing && refund?.credit == Self.world && refund?.id == charge?.id)
  }
}
