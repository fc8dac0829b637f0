import Glibc
import Runtime
import Synchronization

/// A server of raw bytes on loopback: it reads a request and does what it is told to.
package final class RawServer: Sendable {
  /// What to do with a request that was read whole.
  package enum Reply: Sendable {
    case bytes(String)
    /// The bytes, then the end of the connection.
    case last(String)
    /// The end of the connection without a byte.
    case close
    case silence
    /// A byte each so many milliseconds.
    case drip(String, milliseconds: UInt32)
  }

  /// Where it listens.
  package let port: UInt16
  private let listener: Int32
  private let reply: @Sendable (_ request: String, _ connection: Int, _ number: Int) -> Reply
  private let state = Mutex(State())

  private struct State {
    var requests: [String] = []
    var connections = 0
    var open: Set<Int32> = []
  }

  /// - Parameter reply: by the request, the number of its connection and its number there, from 1.
  package init(_ reply: @escaping @Sendable (_ request: String, _ connection: Int, _ number: Int) -> Reply) {
    self.reply = reply
    (listener, port) = listenOnLoopback()
    _ = WorkerThread(name: "raw-server") { [self] in accept() }
  }

  /// With a slash at the end.
  package var url: String { "http://127.0.0.1:\(port)/" }
  /// All requests that were read, head and body.
  package var requests: [String] { state.withLock { $0.requests } }
  /// How many connections were made.
  package var connections: Int { state.withLock { $0.connections } }
  /// How many connections have not ended.
  package var openConnections: Int { state.withLock { $0.open.count } }

  /// Ends all connections.
  package func stop() {
    shutdown(listener, Int32(SHUT_RDWR))
    state.withLock { state in for descriptor in state.open { shutdown(descriptor, Int32(SHUT_RDWR)) } }
  }

  private func accept() {
    while true {
      let descriptor = Glibc.accept(listener, nil, nil)
      guard descriptor >= 0 else { break }
      let number = state.withLock { state in
        state.connections += 1
        state.open.insert(descriptor)
        return state.connections
      }
      _ = WorkerThread(name: "raw-connection") { [self] in serve(descriptor, number) }
    }
    close(listener)
  }

  private func serve(_ descriptor: Int32, _ connection: Int) {
    var number = 0
    while let request = readRequest(descriptor) {
      number += 1
      state.withLock { $0.requests.append(request) }
      switch reply(request, connection, number) {
      case .bytes(let text): write(text, descriptor)
      case .last(let text):
        write(text, descriptor)
        return end(descriptor)
      case .close: return end(descriptor)
      case .silence: continue
      case .drip(let text, let milliseconds):
        for byte in text.utf8 {
          guard write(String(UnicodeScalar(byte)), descriptor) else { return end(descriptor) }
          usleep(milliseconds * 1_000)
        }
      }
    }
    end(descriptor)
  }

  private func end(_ descriptor: Int32) {
    // The peer's end is told before `openConnections` says so.
    shutdown(descriptor, Int32(SHUT_RDWR))
    _ = state.withLock { $0.open.remove(descriptor) }
    close(descriptor)
  }

  /// A request with its body, by its Content-Length; nil at the end.
  private func readRequest(_ descriptor: Int32) -> String? {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4_096)
    while true {
      if let end = bytes.indices.first(where: { bytes[$0...].starts(with: "\r\n\r\n".utf8) }) {
        let head = String(decoding: bytes[..<end], as: UTF8.self)
        let length =
          head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
          .flatMap { Int($0.dropFirst(15).drop { $0 == " " }) } ?? 0
        if bytes.count >= end + 4 + length { return String(decoding: bytes, as: UTF8.self) }
      }
      let count = read(descriptor, &buffer, buffer.count)
      guard count > 0 else { return nil }
      bytes += buffer[..<count]
    }
  }

  @discardableResult
  private func write(_ text: String, _ descriptor: Int32) -> Bool {
    let bytes = Array(text.utf8)
    return send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
  }
}

/// A listening socket on a free port of the loopback interface.
package func listenOnLoopback() -> (descriptor: Int32, port: UInt16) {
  let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  var length = socklen_t(MemoryLayout<sockaddr_in>.size)
  let port = withUnsafeMutablePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
      precondition(bind(listener, generic, length) == 0 && listen(listener, 512) == 0)
      getsockname(listener, generic, &length)
    }
    return UInt16(bigEndian: pointer.pointee.sin_port)
  }
  return (listener, port)
}
