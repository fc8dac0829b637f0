/// The outcome of a read from a non-blocking transport or a write to it.
public enum TransportOutcome: Equatable, Sendable {
  /// So many bytes, for a read at least one.
  case count(Int)
  /// Nothing now; ask again when the descriptor is ready.
  case wouldBlock
  /// The peer has ended the transport, or it is broken.
  case closed
}
