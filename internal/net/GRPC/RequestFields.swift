/// The reading of a call's header fields without a connection. For fuzzing: calls go through `RequestHeaders`.
package struct RequestFields {
  /// Nil: endless.
  package let timeout: Duration?
  /// The fields that are not the protocol's own.
  package let metadata: Metadata
  /// Whether the call is refused before a handler is looked for.
  package let isRefused: Bool

  /// - Parameter fields: names in lower case, as HTTP/2 requires.
  package init(_ fields: [(name: [UInt8], value: [UInt8])]) {
    var headers = RequestHeaders()
    var buffer = MetadataBuffer()
    for field in fields {
      field.name.withUnsafeBytes { name in
        field.value.withUnsafeBytes { value in _ = headers.read(name, value, &buffer) }
      }
    }
    headers.end()
    (timeout, metadata, isRefused) = (headers.timeout, buffer.metadata, headers.refusal != nil)
  }
}
