import Glibc
import Runtime
import Values

/// A loopback TCP proxy whose connections a test can cut, hold or refuse. Each connection has a thread of its own.
final class TCPForwarder: Sendable {
  private struct State {
    var isAccepting = true
    var isHoldingAnswers = false
    var isClosed = false
    var sockets: Set<Int32> = []
  }
  private let state = Monitor(State())
  private let listener: Int32
  private let target: UInt16
  /// Where clients connect.
  let port: UInt16

  init(to target: UInt16) {
    self.target = target
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    listener = socket
    var address = Self.loopback(0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        bind(socket, generic, length) | Glibc.listen(socket, 64) | getsockname(socket, generic, &length)
      }
    }
    precondition(status == 0, "no port for the forwarder")
    port = UInt16(bigEndian: address.sin_port)
    let state = state
    _ = WorkerThread(name: "forwarder") { Self.accept(socket, target, state) }
  }

  deinit { close() }

  /// Ends everything; new connections are refused by the system.
  func close() {
    cut()
    let wasOpen = state.update { state in
      defer { state.isClosed = true }
      return !state.isClosed
    }
    if wasOpen { shutdown(listener, Int32(SHUT_RDWR)) }
  }

  /// Breaks all connections.
  func cut() {
    state.update { state in
      for socket in state.sockets { shutdown(socket, Int32(SHUT_RDWR)) }
    }
  }

  /// Whether new connections get through; otherwise they are closed at once.
  func setAccepting(_ isAccepting: Bool) { state.update { $0.isAccepting = isAccepting } }

  /// While true, what the server says is not passed on.
  func setHoldingAnswers(_ isHolding: Bool) { state.update { $0.isHoldingAnswers = isHolding } }

  private static func accept(_ listener: Int32, _ target: UInt16, _ state: Monitor<State>) {
    while true {
      let client = Glibc.accept(listener, nil, nil)
      if client < 0 { break }
      let server = state.withLock(\.isAccepting) ? connect(to: target) : nil
      guard let server else {
        Glibc.close(client)
        continue
      }
      state.update { $0.sockets.formUnion([client, server]) }
      let up = WorkerThread(name: "forward-up") { pump(client, server, holds: false, state) }
      _ = WorkerThread(name: "forward-down") {
        pump(server, client, holds: true, state)
        state.update { $0.sockets.subtract([client, server]) }
        // Only when both directions have ended may the numbers be used again.
        up.join()
        Glibc.close(client)
        Glibc.close(server)
      }
    }
    Glibc.close(listener)
  }

  private static func pump(_ from: Int32, _ to: Int32, holds: Bool, _ state: Monitor<State>) {
    var bytes = [UInt8](repeating: 0, count: 65_536)
    reading: while true {
      let count = read(from, &bytes, bytes.count)
      if count <= 0 { break }
      var isDropping = false
      if holds { isDropping = state.withLock(\.isHoldingAnswers) }
      var sent = 0
      while !isDropping, sent < count {
        let written = bytes[sent..<count].withUnsafeBytes { send(to, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        if written <= 0 { break reading }
        sent += written
      }
    }
    shutdown(from, Int32(SHUT_RDWR))
    shutdown(to, Int32(SHUT_RDWR))
  }

  private static func connect(to port: UInt16) -> Int32? {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = loopback(port)
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        Glibc.connect(socket, generic, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    if status == 0 { return socket }
    Glibc.close(socket)
    return nil
  }

  private static func loopback(_ port: UInt16) -> sockaddr_in {
    sockaddr_in(
      sin_family: sa_family_t(AF_INET), sin_port: port.bigEndian,
      sin_addr: in_addr(s_addr: UInt32(0x7F00_0001).bigEndian),
      sin_zero: (0, 0, 0, 0, 0, 0, 0, 0))
  }
}
