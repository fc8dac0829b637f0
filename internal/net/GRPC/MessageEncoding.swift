/// How messages are compressed on the wire: the names of `grpc-encoding` that are served (gRPC's compression.md).
public enum MessageEncoding: Sendable, Hashable {
  /// Not at all.
  case identity
  case gzip

  /// Nil for a name that is not served.
  init?(_ name: some Collection<UInt8>) {
    if name.elementsEqual("identity".utf8) {
      self = .identity
    } else if name.elementsEqual("gzip".utf8) {
      self = .gzip
    } else {
      return nil
    }
  }
}
