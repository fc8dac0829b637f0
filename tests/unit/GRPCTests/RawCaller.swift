import HTTP2
import Runtime
import Values

@testable import GRPC

/// Calls with headers and message flags of its own choosing, which our client would not send.
final class RawCaller: HTTP2ConnectionDelegate, @unchecked Sendable {
  // @unchecked: touched on the loop's thread only, but for what is behind the monitor.
  struct Answer: Sendable {
    var headers: HTTP2Headers?
    var body: [UInt8] = []
    var trailers: HTTP2Headers?
    var isOver = false

    var status: String? { trailers?.first("grpc-status") ?? headers?.first("grpc-status") }

    /// The messages with their flags.
    var messages: [MessageDeframer.Message] {
      var deframer = MessageDeframer(limit: .max)
      return body.withUnsafeBytes { bytes in
        var rest = bytes
        var messages: [MessageDeframer.Message] = []
        while let message = try? deframer.next(&rest) { messages.append(message) }
        return messages
      }
    }
  }

  private let loop = EventLoop(name: "raw")
  private let answer = Monitor(Answer())
  private var http2: HTTP2Connection?
  private var block = HTTP2Headers()

  /// Makes one call on a connection of its own and waits for its end.
  static func call(
    port: UInt16, _ path: String, _ messages: [(flag: UInt8, bytes: [UInt8])],
    _ extra: KeyValuePairs<String, String> = [:]
  ) throws -> Answer {
    let descriptor = try connectSocket(NetworkAddress(host: "127.0.0.1", port: port), timeout: .seconds(10))
    let caller = RawCaller()
    caller.loop.start()
    caller.loop.execute { caller.begin(descriptor, path, messages, extra) }
    let answer = caller.answer.wait(until: .now() + .seconds(30)) { $0.isOver ? $0 : nil }
    caller.loop.execute { caller.http2?.closeNow("done") }
    caller.loop.stop()
    caller.loop.join()
    return answer ?? Answer()
  }

  private func begin(
    _ descriptor: Int32, _ path: String, _ messages: [(flag: UInt8, bytes: [UInt8])],
    _ extra: KeyValuePairs<String, String>
  ) {
    http2 = try? HTTP2Connection(
      transport: .plain(descriptor), role: .client, loop: loop, configuration: HTTP2Configuration(),
      scratch: HTTP2Scratch())
    http2?.setDelegate(self)
    var headers = HTTP2Headers([
      ":method": "POST", ":scheme": "http", ":path": path, ":authority": "raw", "content-type": "application/grpc",
      "te": "trailers",
    ])
    for (name, value) in extra { headers.append(name, value) }
    guard let http2, let stream = http2.request(.list(headers)) else { return }
    for message in messages { http2.writeMessage(stream, flag: message.flag, message.bytes) }
    http2.finish(stream, trailers: nil)
  }

  func headersBegan() { block.removeAll() }

  func headerReceived(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    block.append(name: name, value: value)
  }

  func headersReceived(_ stream: HTTP2Stream, endOfStream: Bool) {
    answer.update { answer in
      if answer.headers == nil { answer.headers = block } else { answer.trailers = block }
    }
  }

  func dataReceived(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer) {
    answer.update { $0.body += bytes }
    http2?.consume(stream, .max)
  }

  func endReceived(_ stream: HTTP2Stream) {}
  func writable(_ stream: HTTP2Stream) {}
  func streamClosed(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) { answer.update { $0.isOver = true } }
  func connectionClosed(_ reason: String) {
    http2 = nil
    answer.update { $0.isOver = true }
  }
}
