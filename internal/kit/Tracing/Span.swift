internal import Synchronization
internal import Values

/// What a span is to the spans before and after it (OpenTelemetry's SpanKind).
public enum SpanKind: UInt8, Sendable {
  /// Work within the program.
  case `internal` = 1
  /// The answer to somebody's call.
  case server
  /// A call of somebody.
  case client
  /// A message to a topic.
  case producer
  /// A message of a topic.
  case consumer
}

/// Something known of a span. Never a secret, nor anything of a card.
public struct SpanAttribute: Sendable, Hashable {
  /// A value.
  public enum Value: Sendable, Hashable {
    /// A text of at most `Span.maximumText` bytes; what is longer is cut.
    case text(String)
    case number(Int64)
  }

  /// By OpenTelemetry's semantic conventions; others begin with the name of their project.
  public let name: String
  /// The value.
  public let value: Value

  /// A text.
  public init(_ name: String, _ text: String) {
    self.name = name
    value = .text(text.utf8.count <= Span.maximumText ? text : Span.cut(text))
  }

  /// A number.
  public init(_ name: String, _ number: some BinaryInteger) {
    self.name = name
    value = .number(Int64(clamping: number))
  }
}

/// A piece of work that is recorded: made by a `Tracer`, and kept by it once it has ended. Callable on any thread.
///
/// Only what is recorded has one. The tracer hears of a span when it ends, so that one that is dropped leaves nothing
/// behind.
public final class Span: Sendable {
  /// The most bytes of a text.
  public static let maximumText = 255
  /// The most attributes, and the most links; further ones are left out.
  static let maximumParts = 128

  private struct State {
    var attributes: [SpanAttribute]
    var isOver = false
  }

  /// What goes on to others: their spans are put under this one.
  public let context: TraceContext
  private let tracer: Tracer
  private let record: SpanRecord
  private let began: Instant
  private let state: Mutex<State>

  init(_ record: SpanRecord, began: Instant, _ tracer: Tracer) {
    self.record = record
    self.began = began
    self.tracer = tracer
    context = TraceContext(trace: record.trace, span: record.id)
    state = Mutex(State(attributes: record.attributes))
  }

  /// Notes something that was found out on the way; without effect once the span has ended.
  public func note(_ attribute: SpanAttribute) {
    state.withLock { state in
      if !state.isOver, state.attributes.count < Self.maximumParts { state.attributes.append(attribute) }
    }
  }

  /// Ends the span; the first time counts.
  /// - Parameter error: why the work has failed, in words without values that were sent; nil when it has not.
  public func end(error: String? = nil) {
    let attributes = state.withLock { state -> [SpanAttribute]? in
      defer { state.isOver = true }
      return state.isOver ? nil : state.attributes
    }
    guard let attributes else { return }
    var record = record
    record.attributes = attributes
    record.end = record.start.adding(saturating: max(0, (Instant.now() - began).inNanoseconds))
    record.error = error.map { $0.utf8.count <= Self.maximumText ? $0 : Self.cut($0) }
    tracer.keep(record)
  }

  /// The beginning of a text, at most `maximumText` bytes of whole scalars.
  static func cut(_ text: String) -> String {
    var kept = String.UnicodeScalarView()
    var count = 0
    for scalar in text.unicodeScalars {
      count += UTF8.width(scalar)
      if count > maximumText { break }
      kept.append(scalar)
    }
    return String(kept)
  }
}

/// A span that has ended, as it goes to the collector.
package struct SpanRecord: Sendable, Hashable {
  /// The trace.
  package let trace: TraceID
  /// Not zero.
  package let id: UInt64
  /// The span that it is under; 0 for none.
  package let parent: UInt64
  /// What was done.
  package let name: String
  /// What it is to others.
  package let kind: SpanKind
  /// Nanoseconds since 1970.
  package let start: Int64
  /// Nanoseconds since 1970, not before `start`.
  package internal(set) var end: Int64
  /// What is known of it.
  package internal(set) var attributes: [SpanAttribute]
  /// Spans of other traces, or other spans of its own, that it belongs to as well.
  package let links: [TraceContext]
  /// Why it has failed; nil when it has not.
  package internal(set) var error: String?
}
