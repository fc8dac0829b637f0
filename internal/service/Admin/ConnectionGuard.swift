internal import CMicrohttpd
internal import Glibc
internal import Runtime
internal import Values

/// Keeps the endpoint's connections within their limits. libmicrohttpd's own timeout starts anew with every byte, and
/// its limits refuse the newest connection, which is the one with a request.
final class ConnectionGuard: Sendable {
  private struct State {
    var table: ConnectionTable
    var isStopped = false
  }

  private let state: Monitor<State>

  init(_ limits: ConnectionTable.Limits) { state = Monitor(State(table: ConnectionTable(limits))) }

  /// Starts the thread that closes overdue connections.
  func start() -> WorkerThread {
    state.withLock { $0.isStopped = false }
    return WorkerThread(name: "admin-limits") { [self] in
      var isStopped = false
      while !isStopped {
        let deadline = state.withLock { $0.table.nextDeadline }
        isStopped =
          state.wait(until: deadline) { state in
            state.isStopped ? true : state.table.nextDeadline < deadline ? false : nil
          } ?? false
        state.withLock { state in Self.end(state.table.takeOverdue(at: .now())) }
      }
    }
  }

  /// Ends the thread; before the daemon stops.
  func stop() { state.update { $0.isStopped = true } }

  func opened(_ connection: OpaquePointer) {
    let descriptor = mhd_connection_descriptor(connection)
    guard descriptor >= 0 else { return }
    let peer = Self.peer(descriptor)
    state.update { state in
      Self.end(state.table.open(Int(bitPattern: connection), descriptor: descriptor, peer: peer, at: .now()))
    }
  }

  func completed(_ connection: OpaquePointer) {
    state.withLock { $0.table.complete(Int(bitPattern: connection), at: .now()) }
  }

  func closed(_ connection: OpaquePointer) {
    state.withLock { $0.table.close(Int(bitPattern: connection)) }
  }

  /// Called with the lock held: the library closes a descriptor only after `closed`, so it is still the connection's.
  private static func end(_ descriptors: [Int32]) {
    for descriptor in descriptors { shutdown(descriptor, Int32(SHUT_RDWR)) }
  }

  /// The address without the port; empty once the peer has disconnected.
  private static func peer(_ descriptor: Int32) -> [UInt8] {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutableBytes(of: &storage) { bytes in
      guard getpeername(descriptor, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length) == 0 else {
        return []
      }
      // sockaddr_in has family, port and address in its first 8 bytes; sockaddr_in6 a flow label between the last two.
      return Int32(bytes.load(as: sa_family_t.self)) == AF_INET ? Array(bytes[4..<8]) : Array(bytes[8..<24])
    }
  }
}
