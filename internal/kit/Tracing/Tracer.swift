internal import Synchronization
internal import Values

/// Makes the spans of a program, and keeps those that have ended until they are taken. Callable on any thread.
///
/// Off, a span costs one branch. A trace that is not recorded costs a random number, and nothing is said of it to
/// others: they decide on their own traces. The buffer has a limit; spans that find no room are dropped and counted.
public final class Tracer: Sendable {
  /// Records nothing.
  public static let off = Tracer(sampler: nil, capacity: 0)

  private struct Buffer {
    var spans: [SpanRecord] = []
    var dropped: UInt64 = 0
  }

  /// Whether anything is recorded.
  public let isOn: Bool
  private let sampler: TraceSampler?
  private let capacity: Int
  private let buffer = Mutex(Buffer())
  private let numbers: RandomNumbers

  /// - Parameters:
  ///   - sampler: which traces are recorded; nil: none.
  ///   - capacity: the most spans that wait to be taken.
  public init(sampler: TraceSampler?, capacity: Int) {
    self.sampler = sampler
    self.capacity = capacity
    isOn = sampler != nil
    numbers = RandomNumbers()
  }

  /// Begins the work that others have asked for: under their span, or a trace of its own.
  /// - Parameter parent: what the caller says that the work is a part of.
  /// - Returns: nil when it is not recorded. What goes on to others is then the caller's own context, if there is one.
  public func begin(
    _ name: @autoclosure () -> String, _ kind: SpanKind, parent: TraceContext?,
    _ attributes: @autoclosure () -> [SpanAttribute] = []
  ) -> Span? {
    guard isOn, let sampler else { return nil }
    let trace = parent?.traceID ?? TraceID(high: numbers.next(), low: numbers.next())
    guard sampler.records(trace, parent: parent) else { return nil }
    return make(name(), kind, trace, parent?.spanID ?? 0, attributes(), links: [])
  }

  /// Begins a part of recorded work.
  /// - Parameter parent: the span that it is a part of.
  /// - Returns: nil without a parent, and when the parent is not recorded.
  public func part(
    _ name: @autoclosure () -> String, _ kind: SpanKind, of parent: TraceContext?,
    _ attributes: @autoclosure () -> [SpanAttribute] = []
  ) -> Span? {
    guard isOn, let parent, parent.isSampled else { return nil }
    return make(name(), kind, parent.traceID, parent.spanID, attributes(), links: [])
  }

  /// Begins the common work on several calls or messages: under the first that is recorded, linked to the others.
  /// - Parameters:
  ///   - size: how many calls or messages there are.
  ///   - parents: what each of them is a part of, as far as known.
  /// - Returns: nil when none of them is recorded.
  public func batch(
    _ name: @autoclosure () -> String, size: Int, of parents: @autoclosure () -> [TraceContext?]
  ) -> Span? {
    guard isOn else { return nil }
    let recorded = parents().lazy.compactMap { $0 }.filter(\.isSampled).prefix(Span.maximumParts + 1)
    guard let first = recorded.first else { return nil }
    return make(
      name(), .internal, first.traceID, first.spanID, [SpanAttribute("messaging.batch.message_count", size)],
      links: Array(recorded.dropFirst()))
  }

  /// Does the common work on several calls or messages as a span of `batch`.
  /// - Throws: what the work throws.
  public func recording<Value, Failure: Error>(
    _ name: @autoclosure () -> String, _ size: Int, _ parents: @autoclosure () -> [TraceContext?],
    _ work: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    guard let span = batch(name(), size: size, of: parents()) else { return try work() }
    do {
      let value = try work()
      span.end()
      return value
    } catch {
      span.end(error: "\(error)")
      throw error
    }
  }

  private func make(
    _ name: String, _ kind: SpanKind, _ trace: TraceID, _ parent: UInt64, _ attributes: [SpanAttribute],
    links: [TraceContext]
  ) -> Span {
    let start = Timestamp.now().microseconds.multiplied(saturating: 1_000)
    let record = SpanRecord(
      trace: trace, id: numbers.next(), parent: parent, name: name, kind: kind, start: start, end: start,
      attributes: attributes, links: links, error: nil)
    return Span(record, began: .now(), self)
  }

  func keep(_ record: SpanRecord) {
    buffer.withLock { buffer in
      if buffer.spans.count < capacity { buffer.spans.append(record) } else { buffer.dropped += 1 }
    }
  }

  // MARK: - For the exporter

  /// Takes spans that have ended, the oldest first.
  package func take(_ limit: Int) -> [SpanRecord] {
    buffer.withLock { buffer in
      let taken = Array(buffer.spans.prefix(limit))
      buffer.spans.removeFirst(taken.count)
      return taken
    }
  }

  /// How many spans wait to be taken.
  package var waiting: Int { buffer.withLock { $0.spans.count } }

  /// How many spans found no room.
  package var dropped: UInt64 { buffer.withLock { $0.dropped } }
}

/// Numbers for ids, none of them zero: SplitMix64 from a random start, since a call of the kernel's generator for each
/// call that is not recorded would cost more than all the rest.
private final class RandomNumbers: Sendable {
  private let state = Atomic(UInt64.random(in: .min ... .max))

  func next() -> UInt64 {
    while true {
      var number = state.wrappingAdd(0x9E37_79B9_7F4A_7C15, ordering: .relaxed).newValue
      number = (number ^ number >> 30) &* 0xBF58_476D_1CE4_E5B9
      number = (number ^ number >> 27) &* 0x94D0_49BB_1331_11EB
      number ^= number >> 31
      if number != 0 { return number }
    }
  }
}
