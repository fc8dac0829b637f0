internal import BankStubDomain
internal import HTTPServer
internal import Runtime
internal import Values

/// Sends answers when they are due, with what is wrong with them. `send` may be called on any thread; the rest happens
/// on a loop of its own.
final class BankReplies: Sendable {
  private let loop = EventLoop(name: "bank-replies")

  func start() { loop.start() }

  /// Ends the loop; what is due later is not sent.
  func stop() {
    loop.stop()
    loop.join()
  }

  func send(_ replies: [BankReply]) {
    loop.execute { [loop] in
      for reply in replies {
        let pending = PendingReply(reply, loop)
        if reply.delay > .zero { pending.wait(reply.delay) } else { pending.send() }
      }
    }
  }
}

/// One answer on its way. On the loop's thread only; the loop keeps it while it waits.
private final class PendingReply: EventLoopTimerTarget {
  private let reply: BankReply
  private let loop: EventLoop
  private var stream: HTTPStream?
  private var sent = 0

  init(_ reply: BankReply, _ loop: EventLoop) {
    self.reply = reply
    self.loop = loop
  }

  func wait(_ delay: Duration) { _ = loop.schedule(at: .now() + delay, self) }

  func timerFired(_ token: UInt64) { send() }

  func send() {
    switch reply.fault {
    case nil, .otherAmount, .otherID: reply.exchange.respond(reply.response)
    case .lostAnswer, .closed: reply.exchange.breakOff()
    case .error500, .error500Done: reply.exchange.respond(.text(500, "internal error\n"))
    case .unauthorized: reply.exchange.respond(.json(401, Array(#"{"error":"unauthorized"}"#.utf8)))
    case .html: reply.exchange.respond(HTTPResponse(200, contentType: "text/html", body: Array("<p>hello</p>".utf8)))
    // The route's time ends it.
    case .hang, .hangDone: wait(.seconds(3_600))
    case .cut:
      if let stream { return stream.breakOff() }
      let stream = reply.exchange.stream(reply.response)
      _ = stream.write(Array(reply.response.body.prefix(reply.response.body.count / 2)))
      self.stream = stream
      // So that the part is on its way before the end.
      wait(.milliseconds(50))
    case .drip: drip()
    }
  }

  private func drip() {
    let stream = self.stream ?? reply.exchange.stream(reply.response)
    self.stream = stream
    let rest = reply.response.body.dropFirst(sent)
    guard !rest.isEmpty, stream.write(Array(rest.prefix(1))) == .written else { return stream.finish() }
    sent += 1
    wait(.seconds(1))
  }
}
