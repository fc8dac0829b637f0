import Glibc

/// The other end of a server on loopback, for what is sent to it.
struct LoopbackPeer: Sendable {
  let port: UInt16
  private static let patience = 5
  private static let mostBytes = 1 << 20

  /// Sends all and no more, and takes what comes until the connection ends.
  func exchange(_ bytes: [UInt8]) throws(FuzzFinding) -> [UInt8] {
    let descriptor = connect()
    defer { close(descriptor) }
    // It may have ended the connection before it has everything.
    _ = uninterrupted { send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
    shutdown(descriptor, Int32(SHUT_WR))
    var received: [UInt8] = []
    var isOver = false
    while !isOver {
      isOver = try withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 1) { buffer throws(FuzzFinding) in
        let count = uninterrupted { recv(descriptor, buffer.baseAddress, buffer.count, 0) }
        // Reset, when it has left bytes of ours unread.
        if count < 0, errno == EAGAIN { throw FuzzFinding("the connection does not end") }
        if count > 0 { received.append(contentsOf: buffer[..<count]) }
        return count <= 0
      }
      try require(received.count < Self.mostBytes, "it never stops to answer")
    }
    return received
  }

  private func connect() -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { fatalError("no sockets left (errno \(errno))") }
    var time = timeval(tv_sec: Self.patience, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    // The port is free again at once; thousands of connections a second would use them up.
    var atOnce = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &atOnce, socklen_t(MemoryLayout<linger>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        uninterrupted { Int(Glibc.connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size))) }
      }
    }
    guard status == 0 else { fatalError("the server takes no connection (errno \(errno))") }
    return descriptor
  }

  /// The fuzzer looks at its clock by a signal.
  private func uninterrupted(_ call: () -> Int) -> Int {
    while true {
      let result = call()
      if result >= 0 || errno != EINTR { return result }
    }
  }
}
