/// What came of reading from a non-blocking transport or of writing to it.
public enum TransportOutcome: Equatable, Sendable {
  /// So many bytes, for a read at least one.
  case count(Int)
  /// Nothing now; ask again when the descriptor is ready.
  case wouldBlock
  /// The peer has ended the transport, or it is broken.
  case closed
}
