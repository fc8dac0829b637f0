internal import GRPC
internal import Tracing

extension ServerContext {
  /// The trace that the caller says the call is a part of. One that is malformed, or two, are ignored, as W3C Trace
  /// Context asks (section 3.2.2.5): it is no reason to refuse a call.
  var trace: TraceContext? {
    metadata.isEmpty ? nil : TraceContext(onlyOf: metadata.all(TraceContext.name))
  }
}
