import Glibc
import Testing

/// A connection on which a test sends any bytes, and which waits five seconds at most for an answer.
final class RawConnection {
  let descriptor: Int32
  private var received: [UInt8] = []

  init(_ port: UInt16) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var time = timeval(tv_sec: 5, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0 else { throw Refused() }
  }

  /// Nobody listens.
  struct Refused: Error {}

  deinit { close(descriptor) }

  @discardableResult
  func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  @discardableResult
  func send(_ bytes: [UInt8]) -> Bool { Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count }

  /// Ends our side.
  func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Resets the connection when it is closed.
  func resetAtClose() {
    var atOnce = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &atOnce, socklen_t(MemoryLayout<linger>.size))
  }

  /// The next answer: its status, its header fields in lower case, and its body, chunked or of known length.
  func answer(toHead: Bool = false) throws -> (status: Int, head: String, body: String) {
    while true {
      let head = try until("\r\n\r\n")
      let status = try #require(Int(head.split(separator: " ").dropFirst().first ?? ""))
      if status == 100 { continue }
      let fields = head.lowercased()
      if fields.contains("transfer-encoding: chunked"), !toHead { return (status, head, try chunked()) }
      guard let range = fields.range(ofText: "content-length: "), !toHead else { return (status, head, "") }
      let length = try #require(Int(fields[range].prefix { $0.isNumber }))
      return (status, head, String(decoding: try take(length), as: UTF8.self))
    }
  }

  /// One chunk of a chunked body; empty for the last.
  func chunk() throws -> String {
    let length = try #require(Int(try until("\r\n").filter { !$0.isNewline }, radix: 16))
    let bytes = try take(length)
    _ = try take(2)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Everything up to the end of the connection.
  func rest() throws -> String {
    while try receive() {}
    defer { received = [] }
    return String(decoding: received, as: UTF8.self)
  }

  /// Whether the other side ended the connection without another byte.
  func isEnded() throws -> Bool {
    guard received.isEmpty else { return false }
    return try !receive()
  }

  /// Whether it has ended by now.
  var hasEnded: Bool {
    var byte: UInt8 = 0
    return recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT) | Int32(MSG_PEEK)) == 0 || errno == ECONNRESET
  }

  private func chunked() throws -> String {
    var body = ""
    while true {
      let next = try chunk()
      if next.isEmpty { return body }
      body += next
    }
  }

  func until(_ mark: String) throws -> String {
    while true {
      if let end = received.firstRange(of: Array(mark.utf8)) {
        defer { received.removeFirst(end.upperBound) }
        return String(decoding: received[..<end.upperBound], as: UTF8.self)
      }
      try #require(try receive(), "the connection ended after \(String(decoding: received, as: UTF8.self))")
    }
  }

  private func take(_ count: Int) throws -> [UInt8] {
    while received.count < count { try #require(try receive(), "the connection ended in the body") }
    defer { received.removeFirst(count) }
    return Array(received[..<count])
  }

  /// False at the end of the connection.
  private func receive() throws -> Bool {
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    try #require(count >= 0 || errno != EAGAIN, "no answer in time")
    if count > 0 { received += buffer[..<count] }
    return count > 0
  }
}

extension String {
  /// Where the text after `part` begins.
  func range(ofText part: String) -> PartialRangeFrom<Index>? {
    guard let found = firstRange(of: part) else { return nil }
    return found.upperBound...
  }
}
