import Glibc
import Runtime
import Values

/// One keep-alive connection of the load, with one request at a time; on the loop's thread.
final class PayConnection: EventSource {
  private unowned let load: PayLoad
  private let descriptor: Int32
  private var started = Instant.now()
  private var received: [UInt8] = []
  private var buffer = [UInt8](repeating: 0, count: 16_384)

  init(_ load: PayLoad, _ loop: EventLoop, descriptor: Int32) {
    self.load = load
    self.descriptor = descriptor
    _ = loop.add(self, descriptor: descriptor, interest: .readable)
  }

  /// Requests are short and answered one by one, so the socket has room for each.
  func send(_ request: String, at moment: Instant) {
    started = moment
    let bytes = Array(request.utf8)
    guard write(descriptor, bytes, bytes.count) == bytes.count else { fail("the connection takes no request") }
  }

  func handle(_ readiness: Readiness) {
    let count = read(descriptor, &buffer, buffer.count)
    if count < 0, errno == EAGAIN { return }
    guard count > 0 else { fail("the connection has ended") }
    received += buffer[..<count]
    guard let end = Self.end(of: received) else { return }
    let answer = received
    received = []
    load.answered(self, since: started, answer[..<end])
  }

  /// Where the answer ends; nil while something of it is missing.
  private static func end(of bytes: [UInt8]) -> Int? {
    guard let head = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
    let fields = String(decoding: bytes[..<head.lowerBound], as: UTF8.self).lowercased()
    guard let field = fields.firstRange(of: "\r\ncontent-length:") else { fail("an answer has no length") }
    let digits = fields[field.upperBound...].drop { $0 == " " }.prefix { $0.isNumber }
    guard let length = Int(digits) else { fail("an answer has no length") }
    let end = head.upperBound + length
    return bytes.count >= end ? end : nil
  }
}
