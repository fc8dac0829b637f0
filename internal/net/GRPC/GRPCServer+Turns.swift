internal import HTTP2
internal import Runtime
internal import Values

/// A server of one loop whose turns the caller takes, in place of `start`: no thread, no listener, and what happens
/// depends on nothing but the bytes of its connections. For fuzzing.
extension GRPCServer {
  /// Makes the calling thread the one loop's.
  package func adoptCurrentThread() {
    precondition(loops.count == 1, "one thread can only stand in for one loop")
    loops[0].loop.adoptCurrentThread()
  }

  /// Serves a connected, non-blocking socket, and owns it from now on.
  package func serve(_ descriptor: Int32) { loops[0].accept(descriptor, HTTP2Peer(address: "fuzz", network: "fuzz")) }

  /// Takes one turn without waiting.
  /// - Returns: whether anything happened that may lead to more.
  package func takeTurn() -> Bool { loops[0].loop.takeTurn(waiting: 0) }

  /// Connections that are open, handlers that run as tasks, and bytes that peers make the loop hold.
  package var underWay: (connections: Int, handlers: Int, bytes: Int) {
    (totals.connectionCount, loops[0].running, loops[0].heldBytes)
  }
}
