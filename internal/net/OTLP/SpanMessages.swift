internal import Protobuf
package import Tracing

/// Spans in OTLP's protobuf (opentelemetry/proto/collector/trace/v1/trace_service.proto, version 1).
///
/// Written field by field: nobody reads these messages here, so no types are needed.
package enum SpanMessages {
  /// An ExportTraceServiceRequest.
  /// - Parameters:
  ///   - resource: attributes of the process.
  ///   - scope: the name of who made the spans.
  package static func request(_ spans: [SpanRecord], resource: [String: String], scope: String) -> [UInt8] {
    let process = message { process in
      for (name, text) in resource.sorted(by: { $0.key < $1.key }) {
        process.writePart(attribute(SpanAttribute(name, text)), field: 1)
      }
    }
    let scoped = message { scoped in
      scoped.writePart(message { $0.writeString(scope, field: 1) }, field: 1)
      for record in spans { scoped.writePart(span(record), field: 2) }
    }
    let both = message { both in
      both.writePart(process, field: 1)
      both.writePart(scoped, field: 2)
    }
    return message { $0.writePart(both, field: 1) }
  }

  private static func span(_ record: SpanRecord) -> [UInt8] {
    message { span in
      span.writeBytes(id(record.trace), field: 1)
      span.writeBytes(id(record.id), field: 2)
      if record.parent != 0 { span.writeBytes(id(record.parent), field: 4) }
      span.writeString(record.name, field: 5)
      // Numbers of SpanKind are those of the enumeration.
      span.writeUInt32(UInt32(record.kind.rawValue), field: 6)
      span.writeFixed64(UInt64(clamping: record.start), field: 7)
      span.writeFixed64(UInt64(clamping: record.end), field: 8)
      for part in record.attributes { span.writePart(attribute(part), field: 9) }
      for context in record.links { span.writePart(link(context), field: 13) }
      if let error = record.error {
        let status = message { status in
          status.writeString(error, field: 2)
          status.writeUInt32(2, field: 3)  // STATUS_CODE_ERROR
        }
        span.writePart(status, field: 15)
      }
    }
  }

  private static func link(_ context: TraceContext) -> [UInt8] {
    message { link in
      link.writeBytes(id(context.traceID), field: 1)
      link.writeBytes(id(context.spanID), field: 2)
    }
  }

  private static func attribute(_ attribute: SpanAttribute) -> [UInt8] {
    let value = message { value in
      switch attribute.value {
      case .text(let text): value.writeString(text, field: 1, evenIfDefault: true)
      case .number(let number): value.writeInt64(number, field: 3, evenIfDefault: true)
      }
    }
    return message { pair in
      pair.writeString(attribute.name, field: 1)
      pair.writePart(value, field: 2)
    }
  }

  private static func id(_ trace: TraceID) -> [UInt8] { id(trace.high) + id(trace.low) }

  private static func id(_ span: UInt64) -> [UInt8] {
    withUnsafeBytes(of: span.bigEndian) { Array($0) }
  }

  private static func message(_ write: (inout ProtobufWriter) -> Void) -> [UInt8] {
    var writer = ProtobufWriter(capacity: 128)
    write(&writer)
    return writer.bytes
  }

  /// How many spans a collector refuses that answers with success: `partial_success.rejected_spans` of an
  /// ExportTraceServiceResponse. An answer that cannot be read refuses none.
  package static func rejected(_ response: [UInt8]) -> Int {
    guard let partial = try? part(1, of: response) else { return 0 }
    return (try? number(1, of: partial)).map { Int(clamping: max(0, $0)) } ?? 0
  }

  private static func part(_ wanted: UInt32, of bytes: [UInt8]) throws(ProtobufError) -> [UInt8]? {
    var reader = try ProtobufReader(bytes.span)
    var found: [UInt8]?
    while let field = try reader.nextField() {
      if field.number == wanted, field.wireType == .lengthDelimited {
        found = try reader.readBytes()
      } else {
        try reader.skip(field)
      }
    }
    return found
  }

  private static func number(_ wanted: UInt32, of bytes: [UInt8]) throws(ProtobufError) -> Int64 {
    var reader = try ProtobufReader(bytes.span)
    var found: Int64 = 0
    while let field = try reader.nextField() {
      if field.number == wanted, field.wireType == .varint {
        found = try reader.readInt64()
      } else {
        try reader.skip(field)
      }
    }
    return found
  }
}

extension ProtobufWriter {
  /// A message that was written before, an empty one too.
  fileprivate mutating func writePart(_ part: [UInt8], field: UInt32) {
    writeBytes(part, field: field, evenIfDefault: true)
  }
}
