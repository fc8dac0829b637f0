public import Kafka
public import Tracing
public import Values

extension TraceBook {
  /// Remembers the trace that a message's headers name.
  public func note(_ id: UniqueID, of message: ConsumedMessage) {
    if tracer.isOn { note(id, message.trace) }
  }
}

extension ConsumedMessage {
  /// The trace that its headers name; two count as none.
  public var trace: TraceContext? {
    if headers.isEmpty { return nil }
    return TraceContext(onlyOf: headers.filter { $0.name == TraceContext.name }.map { $0.value ?? [] })
  }
}
