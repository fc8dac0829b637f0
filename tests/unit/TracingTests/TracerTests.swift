import Testing
import Tracing
import Values

@Suite struct TracerTests {
  private static let recorded = TraceContext(traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")!
  private static let other = TraceContext(traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03")!
  private static let unrecorded = TraceContext(traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02")!

  private func tracer(_ sampler: String = "always_on", ratio: Double = 1, capacity: Int = 100) throws -> Tracer {
    let known: TraceSampler = try #require(TraceSampler(sampler, ratio: ratio))
    return Tracer(sampler: known, capacity: capacity)
  }

  @Test func `a span is under its caller's, and others are put under it`() throws {
    let tracer = try tracer()
    let span = try #require(tracer.begin("work", .server, parent: Self.recorded, [SpanAttribute("n", 1)]))
    span.note(SpanAttribute("t", "text"))
    let part = try #require(tracer.part("part", .client, of: span.context))
    part.end(error: "it failed")
    span.end()
    span.end(error: "too late")
    let records = tracer.take(10)
    try #require(records.map(\.name) == ["part", "work"])
    #expect(records.map(\.kind) == [.client, .server] && records.map(\.error) == ["it failed", nil])
    #expect(records.allSatisfy { $0.trace == TraceID(high: 0x4bf9_2f35_77b3_4da6, low: 0xa3ce_929d_0e0e_4736) })
    #expect(records[1].parent == 0x00f0_67aa_0ba9_02b7 && records[0].parent == records[1].id && records[0].id != 0)
    #expect(records[1].attributes == [SpanAttribute("n", 1), SpanAttribute("t", "text")])
    #expect(records.allSatisfy { $0.start > 1_600_000_000_000_000_000 && $0.end >= $0.start })
    #expect(TraceContext(traceparent: span.context.traceparent) == span.context && span.context.isSampled)
    #expect(tracer.waiting == 0 && tracer.dropped == 0)
  }

  @Test func `off, nothing is recorded, and names and attributes are not even made`() {
    func fail<Value>() -> Value { preconditionFailure("it was made") }
    #expect(Tracer.off.begin(fail(), .server, parent: Self.recorded, fail()) == nil)
    #expect(Tracer.off.part(fail(), .server, of: Self.recorded, fail()) == nil)
    #expect(Tracer.off.batch(fail(), size: 1, of: fail()) == nil)
    #expect(Tracer.off.recording(fail(), 1, fail()) { 7 } == 7)
  }

  @Test func `of a parent that is not recorded there is no part`() throws {
    let tracer = try tracer()
    #expect(tracer.part("part", .client, of: Self.unrecorded) == nil)
    #expect(tracer.part("part", .client, of: nil) == nil)
    #expect(tracer.batch("batch", size: 2, of: [nil, Self.unrecorded]) == nil)
  }

  @Test func `a batch is under the first recorded call and linked to the others`() throws {
    let tracer = try tracer()
    try #require(tracer.batch("batch", size: 4, of: [nil, Self.recorded, Self.unrecorded, Self.other])).end()
    let record = try #require(tracer.take(1).first)
    #expect(record.parent == Self.recorded.spanID && record.links == [Self.other])
    #expect(record.attributes == [SpanAttribute("messaging.batch.message_count", 4)])
  }

  private struct Failure: Error, CustomStringConvertible { let description = "the reason" }

  @Test func `work that throws is a span that has failed`() throws {
    let tracer = try tracer()
    #expect(throws: Failure.self) {
      try tracer.recording("batch", 1, [Self.recorded]) { () throws(Failure) in throw Failure() }
    }
    #expect(tracer.take(1).first?.error == "the reason")
  }

  @Test func `what finds no room is dropped and counted`() throws {
    let tracer = try tracer(capacity: 2)
    for number in 1...5 { tracer.begin("\(number)", .internal, parent: nil)?.end() }
    #expect(tracer.waiting == 2 && tracer.dropped == 3)
    #expect(tracer.take(1).map(\.name) == ["1"] && tracer.take(9).map(\.name) == ["2"])
  }

  @Test(arguments: [
    ("always_on", 0, true, true, true), ("always_off", 1, false, false, false),
    ("traceidratio", 0, false, false, false),
    ("traceidratio", 1, true, true, true), ("parentbased_always_on", 0, true, true, false),
    ("parentbased_always_off", 1, false, true, false), ("parentbased_traceidratio", 0, false, true, false),
    ("parentbased_traceidratio", 1, true, true, false),
  ])
  func `a sampler decides by its name`(
    name: String, ratio: Int, root: Bool, underRecorded: Bool, underUnrecorded: Bool
  ) throws {
    let tracer = try tracer(name, ratio: Double(ratio))
    #expect((tracer.begin("", .server, parent: nil) != nil) == root)
    #expect((tracer.begin("", .server, parent: Self.recorded) != nil) == underRecorded)
    #expect((tracer.begin("", .server, parent: Self.unrecorded) != nil) == underUnrecorded)
  }

  @Test func `a ratio records about its part of the traces`() throws {
    let tracer = try tracer("parentbased_traceidratio", ratio: 0.25)
    let count = (0..<10_000).count { _ in tracer.begin("", .server, parent: nil) != nil }
    // Ten standard deviations.
    #expect((2_067...2_933).contains(count))
  }

  @Test func `other names and ratios are none`() {
    #expect(TraceSampler("jaeger_remote") == nil && TraceSampler("") == nil && TraceSampler("parentbased_") == nil)
    #expect(TraceSampler("traceidratio", ratio: 1.01) == nil && TraceSampler("traceidratio", ratio: .nan) == nil)
  }

  @Test func `a long text is cut between scalars`() {
    let cut = SpanAttribute("t", String(repeating: "é", count: 200))
    #expect(cut.value == .text(String(repeating: "é", count: 127)))
  }

  @Test func `a book remembers what is recorded, the newest`() throws {
    let book = TraceBook(try tracer(), capacity: 2)
    let ids = (0..<3).map { _ in UniqueID.random() }
    book.note(ids[0], Self.unrecorded)
    #expect(book.trace(of: ids[0]) == nil)
    for id in ids { book.note(id, Self.recorded) }
    #expect(ids.map { book.trace(of: $0) } == [nil, Self.recorded, Self.recorded])
    book.note(ids[1], Self.other)
    book.note(ids[0], Self.recorded)
    #expect(ids.map { book.trace(of: $0) } == [Self.recorded, nil, Self.recorded])
  }
}
