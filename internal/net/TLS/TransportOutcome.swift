/// The outcome of a read from a non-blocking transport or a write to it.
public enum TransportOutcome: Equatable, Sendable {
  /// The number of bytes; at least one for a read.
  case count(Int)
  /// Nothing now; call again when the descriptor is ready.
  case wouldBlock
  /// The peer has ended the transport, or it is broken.
  case closed
}
