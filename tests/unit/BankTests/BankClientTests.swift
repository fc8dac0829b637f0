import Bank
import BankStub
import Cards
import Glibc
import HTTPClient
import Logger
import Metrics
import Money
import ProcessingDomain
import RawHTTP
import Runtime
import Synchronization
import Testing
import Tracing
import Values

@Suite struct BankClientTests {
  private func id(_ number: UInt64) -> UniqueID { UniqueID(high: 7, low: number) }

  @Test func `a card, an account and a token are charged, once each`() async throws {
    try await Bench.with { bench in
      let reply = await bench.charge(id(1), .card(try card()))
      #expect(reply == BankReply(.approved, token: "tok_\(id(1))"))
      #expect(await bench.charge(id(2), .account("5551")).answer == .approved)
      #expect(await bench.charge(id(3), .token("tok_\(id(1))")).answer == .approved)
      #expect(await bench.charge(id(4), .card(try card("4000000000000002"))) == BankReply(.declined, "declined"))
      #expect(
        await bench.charge(id(5), .card(try card("4000000000009995"))) == BankReply(.declined, "insufficient funds"))
      for number in 1...3 { #expect(try await bench.counts(id(UInt64(number))) == "1 1") }
      let slots = min(512, DescriptorLimit.raise() - 256)
      #expect(bench.bank.reserve(10_000) == slots)
      bench.bank.release(slots)
    }
  }

  @Test func `calls for a recorded payment are spans, which the bank is told`() async throws {
    let body = #"{"operation_id":"x"}"#
    let server = RawServer { _, _, _ in
      .bytes("HTTP/1.1 500 No\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }
    defer { server.stop() }
    let sampler: TraceSampler = try #require(TraceSampler("always_on"))
    let traces = TraceBook(Tracer(sampler: sampler, capacity: 10))
    let root = try #require(traces.tracer.begin("root", .server, parent: nil))
    traces.note(id(1), root.context)
    let bank = BankClient(
      BankConfiguration(url: String(server.url.dropLast())), logger: Logger(label: "bank", level: .error),
      metrics: MetricsRegistry(), traces: traces)
    bank.start()
    defer { bank.stop(until: .now()) }
    for number in [UInt64(1), 2] {
      #expect(bank.reserve(1) == 1)
      _ = await bank.inquire(id(number), userID: user, amount: price)
    }
    let span = try #require(traces.tracer.take(10).first)
    #expect(span.name == "bank inquire" && span.kind == .client && span.parent == root.context.spanID)
    #expect(span.error != nil && traces.tracer.waiting == 0)
    let sent = server.requests.map { $0.contains("traceparent: ") }
    #expect(sent == [true, false])
    let context = TraceContext(trace: span.trace, span: span.id)
    #expect(server.requests[0].contains("traceparent: \(context.traceparent)\r\n"))
  }

  @Test func `questions and reversals have the bank's own answers`() async throws {
    try await Bench.with { bench in
      #expect(bench.bank.reserve(5) == 5)
      #expect(await bench.bank.inquire(id(1), userID: user, amount: price).answer == .noSuchPayment)
      _ = await bench.charge(id(1))
      #expect(await bench.bank.inquire(id(1), userID: user, amount: price).answer == .approved)
      #expect(await bench.bank.reverse(id(1), userID: user, amount: price).answer == .reversed)
      #expect(await bench.bank.inquire(id(1), userID: user, amount: price).answer == .reversed)
      // Of what was never charged the bank knows no amount.
      #expect(await bench.bank.reverse(id(2), userID: user, amount: price).answer == .reversed)
      #expect(await bench.charge(id(2)) == BankReply(.declined, "reversed"))
    }
  }

  @Test func `a refund is an operation of its own, and is sent once`() async throws {
    try await Bench.with { bench in
      _ = await bench.charge(id(1))
      func refund(_ number: UInt64, of charge: UInt64 = 1) async -> BankReply {
        #expect(bench.bank.reserve(1) == 1)
        return await bench.bank.refund(
          BankRefund(operationID: id(number), chargeID: id(charge), userID: user, amount: price),
          sendBy: .now() + .seconds(20))
      }
      #expect(await refund(2).answer == .approved)
      #expect(try await bench.counts(id(2)) == "1 1")
      #expect(await refund(3) == BankReply(.declined, "more than was charged"))
      #expect(await refund(5, of: 4) == BankReply(.declined, "nothing was charged"))
      #expect(bench.bank.reserve(3) == 3)
      #expect(await bench.bank.inquire(id(2), userID: user, amount: price).answer == .approved)
      #expect(await bench.bank.reverse(id(2), userID: user, amount: price).answer == .reversed)
      #expect(await bench.bank.inquire(id(1), userID: user, amount: price).answer == .approved)
      try await bench.control(#"{"script":["lost_answer"],"idempotent":false}"#)
      #expect(await refund(6).answer == .unclear)
      #expect(try await bench.counts(id(6)) == "1 1")
    }
  }

  /// Each fault of the stub, carried out or not, leaves the payment unclear; the question afterwards says what became
  /// of it.
  @Test(arguments: [
    ("lost_answer", true), ("cut", true), ("closed", false), ("error_500", false), ("error_500_done", true),
    ("unauthorized", false), ("html", true), ("hang", false), ("hang_done", true), ("drip", true),
    ("other_amount", true), ("other_id", true),
  ])
  func `a fault of the bank is unclear, and sent once`(fault: String, isDone: Bool) async throws {
    try await Bench.with(timeout: .seconds(1)) { bench in
      try await bench.control(#"{"script":["\#(fault)"],"idempotent":false}"#)
      let reply = await bench.charge(id(1), .card(try card()))
      #expect(reply.answer == .unclear && !reply.detail.isEmpty && reply.token == nil, "\(reply)")
      #expect(try await bench.counts(id(1)).hasSuffix(isDone ? "1" : "0"))
      #expect(bench.bank.reserve(1) == 1)
      let later = await bench.bank.inquire(id(1), userID: user, amount: price)
      #expect(later.answer == (isDone ? .approved : .noSuchPayment))
      // A question with a fault is unclear, too; one on a kept connection is asked again when that ends.
      try await bench.control(#"{"script":["\#(fault)","\#(fault)"]}"#)
      #expect(bench.bank.reserve(1) == 1)
      #expect(await bench.bank.inquire(id(1), userID: user, amount: price).answer == .unclear)
    }
  }

  @Test func `the request holds what the protocol says, exactly`() async throws {
    let server = RawServer { _, _, _ in .close }
    defer { server.stop() }
    let bank = BankClient(
      BankConfiguration(url: server.url.trimmed), logger: Logger(label: "bank", level: .error),
      metrics: MetricsRegistry())
    bank.start()
    defer { bank.stop(until: .now()) }
    let sources: [BankSource] = [.card(try card()), .account("55 \"51"), .token("tok")]
    for source in sources {
      #expect(bank.reserve(1) == 1)
      let charge = BankCharge(operationID: id(1), userID: user, amount: price, source: source)
      _ = await bank.charge(charge, sendBy: .now() + .seconds(20))
    }
    let head = #"{"operation_id":"\#(id(1))","user_id":"\#(user)","amount":19.99,"currency":"EUR","#
    let ends = [
      #""card_holder_name":"N \"N\" ä","card_number":"4242424242424242","cvv":"987"}"#, #""account_number":"55 \"51"}"#,
      #""card_token":"tok"}"#,
    ]
    for (request, end) in zip(server.requests, ends) {
      #expect(
        request.hasPrefix("POST /payment HTTP/1.1\r\n") && request.hasSuffix("\r\n\r\n" + head + end), "\(request)")
      #expect(request.contains("Content-Type: application/json\r\n"))
    }
    #expect(bank.reserve(1) == 1)
    _ = await bank.refund(
      BankRefund(operationID: id(2), chargeID: id(1), userID: user, amount: price), sendBy: .now() + .seconds(20))
    #expect(server.requests[3].hasPrefix("POST /payment/\(id(1))/refund HTTP/1.1\r\n"))
    #expect(
      server.requests[3].hasSuffix(#"{"refund_id":"\#(id(2))","amount":19.99,"currency":"EUR"}"#),
      "\(server.requests[3])")
    #expect(server.requests.count == 4)
  }

  @Test func `what could not be sent was not sent`() async throws {
    try await Bench.with { bench in
      let reply = await bench.charge(id(1), sendBy: .now() - .milliseconds(1))
      #expect(reply == BankReply(.notSent, "it was too late to begin the request"))
      let counts = try await bench.counts(id(1))
      #expect(counts == "none")
      bench.stub.stop(until: .now())
      #expect(await bench.charge(id(1)).answer == .notSent)
    }
  }

  @Test func `a bank that is away is not asked, and whoever waits hears when it is tried`() async throws {
    try await Bench.with { bench in
      bench.stub.stop(until: .now())
      for number in 1...UInt64(5) { #expect(await bench.charge(id(number)).answer == .notSent) }
      #expect(bench.bank.reserve(1) == 0)
      #expect(bench.metrics.exposition().contains("bank_breaker_state 2"))
      await withCheckedContinuation { continuation in bench.bank.whenFree { continuation.resume() } }
      #expect(bench.metrics.exposition().contains("bank_breaker_state 1"))
      #expect(bench.bank.reserve(10) == 3)
      bench.bank.release(3)
      #expect(bench.metrics.exposition().contains("bank_breaker_opened_total 1"))
      #expect(bench.metrics.exposition().contains(#"bank_calls_total{call="charge",answer="not_sent"} 5"#))
    }
  }

  @Test func `a decline is no fault of the bank`() async throws {
    try await Bench.with { bench in
      for number in 1...UInt64(20) { #expect(await bench.charge(id(number), .account("2")).answer == .declined) }
      #expect(bench.bank.reserve(20) == 20)
    }
  }

  @Test func `slots that are given back are told to whoever waits, once`() async throws {
    try await Bench.with(maximumCalls: 2) { bench in
      #expect(bench.bank.reserve(5) == 2)
      let calls = Monitor(0)
      bench.bank.whenFree { calls.update { $0 += 1 } }
      bench.bank.release(1)
      #expect(calls.wait(until: .now() + .seconds(20)) { $0 == 1 ? true : nil } == true)
      bench.bank.release(1)
      await withCheckedContinuation { continuation in bench.bank.whenFree { continuation.resume() } }
      #expect(calls.withLock { $0 } == 1)
    }
  }

  @Test func `a bank that takes its time holds thousands of calls, and little memory`() async throws {
    try await Bench.with(maximumCalls: 2_000) { bench in
      // This process holds both ends of each connection.
      guard DescriptorLimit.raise() > 5_000 else { return }
      try await bench.control(#"{"delay_ms":6000}"#)
      let before = try residentMemory()
      let answers = await withTaskGroup(of: BankAnswer.self) { group in
        var begun = 0
        while begun < 2_000 {
          let got = bench.bank.reserve(2_000 - begun)
          for number in begun..<begun + got {
            group.addTask { [bank = bench.bank] in
              let charge = BankCharge(
                operationID: UniqueID(high: 8, low: UInt64(number)), userID: user, amount: price, source: .account("1"))
              return await bank.charge(charge, sendBy: .now() + .seconds(60)).answer
            }
          }
          begun += got
          // Some at a time: the others follow as those at the bank grow old.
          if begun < 2_000 { await withCheckedContinuation { whenFree in bench.bank.whenFree { whenFree.resume() } } }
        }
        return await group.reduce(into: [BankAnswer: Int]()) { $0[$1, default: 0] += 1 }
      }
      #expect(answers == [.approved: 2_000])
      // The stub's side is among it: some 45 KiB a call for both.
      let grown = try residentMemory() - before
      #expect(grown < 512 << 20, "\(grown) bytes")
    }
  }
}

extension String {
  fileprivate var trimmed: String { String(dropLast()) }
}

/// Bytes that this process has in memory, by the second number of /proc/self/statm.
private func residentMemory() throws -> Int {
  let file = try #require(fopen("/proc/self/statm", "r"))
  defer { fclose(file) }
  var text = [UInt8](repeating: 0, count: 256)
  let count = fread(&text, 1, text.count, file)
  let words = String(decoding: text[..<count], as: UTF8.self).split(separator: " ")
  return try #require(Int(words[1])) * 4_096
}
