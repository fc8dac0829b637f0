public import Kafka
public import Tracing
public import Values

extension TraceBook {
  /// Remembers the trace that a message's headers name.
  public func note(_ id: UniqueID, of message: ConsumedMessage) {
    if tracer.isOn { note(id, message.trace) }
  }
}

extension Tracer {
  /// Begins the span of a message's processing: under the span that its headers name, or a trace of its own.
  /// - Parameters:
  ///   - parent: the message's `trace`.
  ///   - attributes: what the message says.
  /// - Returns: nil when it is not recorded.
  public func process(
    _ message: ConsumedMessage, parent: TraceContext?, _ attributes: @autoclosure () -> [SpanAttribute]
  ) -> Span? {
    begin(
      "process \(message.topic)", .consumer, parent: parent,
      [
        SpanAttribute("messaging.system", "kafka"), SpanAttribute("messaging.operation.type", "process"),
        SpanAttribute("messaging.destination.name", message.topic),
        SpanAttribute("messaging.destination.partition.id", "\(message.partition)"),
        SpanAttribute("messaging.kafka.offset", message.offset),
      ] + attributes())
  }
}

extension ConsumedMessage {
  /// The trace that its headers name; two count as none.
  public var trace: TraceContext? {
    if headers.isEmpty { return nil }
    return TraceContext(onlyOf: headers.filter { $0.name == TraceContext.name }.map { $0.value ?? [] })
  }
}
