import Foundation
import HTTPServer
import Metrics
import Runtime
import Testing
import Values

/// Answers that come later, in parts, or not at all, and the end of the server.
@Suite(.timeLimit(.minutes(1))) struct HTTPWaitingTests {
  @Test func answersLaterFromAnyThread() throws {
    let served = try Served()
    let callers = try (0..<50).map { _ in try served.connect() }
    for (index, caller) in callers.enumerated() { caller.send(post("/later", "\(index)") + get) }
    let exchanges = try callers.map { _ in try served.exchange() }
    let threads = (0..<4).map { thread in
      WorkerThread(name: "answers") {
        for (index, exchange) in exchanges.enumerated() where index % 4 == thread {
          #expect(exchange.respond(.text(200, "late")))
          #expect(!exchange.respond(.text(200, "later")), "one answer a request")
        }
      }
    }
    for thread in threads { thread.join() }
    for caller in callers {
      #expect(try caller.answer().body == "late")
      #expect(try caller.answer().body == "hello you")
    }
    #expect(served.metrics.exposition().contains("http_server_requests_in_flight{surface=\"test\"} 0\n"))
  }

  @Test func answersForHandlersThatDoNot() throws {
    let served = try Served()
    let caller = try served.connect()
    caller.send("GET /drop HTTP/1.1\r\nHost: h\r\n\r\n")
    var answer = try caller.answer()
    #expect(answer.status == 500 && answer.body.contains("internal_error"))
    caller.send("GET /short HTTP/1.1\r\nHost: h\r\n\r\n")
    answer = try caller.answer()
    #expect(answer.status == 503 && answer.body.contains("no_answer_in_time"))
    #expect(served.interruption() == .timeIsOver)
    #expect(try !served.exchange().respond(.text(200, "late")))
    caller.send(get)
    #expect(try caller.answer().status == 200)
  }

  @Test func tellsAHandlerThatItsCallerLeft() throws {
    let served = try Served()
    for isReset in [false, true] {
      var caller: RawConnection? = try served.connect()
      if isReset { caller?.resetAtClose() }
      caller?.send(post("/later", ""))
      let exchange = try served.exchange()
      #expect(served.interruptions.withLock { $0.isEmpty })
      caller = nil
      #expect(served.interruption() == .peerLeft)
      #expect(exchange.respond(.text(200, "nobody reads it")))
    }
    let next = try served.connect()
    next.send(get)
    #expect(try next.answer().status == 200)
  }

  @Test func countsRequestsWhoseCallerLeftBeforeTheAnswer() throws {
    let served = try Served()
    let caller = try served.connect()
    caller.send("POST /later HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf")
    caller.finish()
    #expect(try caller.isEnded())
    let text = served.metrics.exposition()
    #expect(text.contains(#"http_server_requests_total{surface="test",route="later",method="POST",code="gone"} 1"#))
    #expect(!text.contains(#"route="later",method="POST",code="200""#))
    #expect(text.contains("http_server_requests_in_flight{surface=\"test\"} 0\n"))
  }

  @Test func aStreamWithNothingToSendEndsWithItsConnection() throws {
    let served = try Served()
    var caller: RawConnection? = try served.connect()
    caller?.resetAtClose()
    caller?.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")
    let stream = try served.stream()
    #expect(try caller?.until("\r\n\r\n") != nil)
    caller = nil
    #expect(served.interruption() == .peerLeft)
    let limit = Instant.now() + .seconds(5)
    while served.server.connectionCount > 0, Instant.now() < limit { usleep(1_000) }
    #expect(served.server.connectionCount == 0 && stream.write([1]) == .closed)
  }

  /// A caller whose machine has gone sends nothing, and the kernel asks.
  @Test func silentCallersAreAskedWhetherTheyAreThere() throws {
    let served = try Served()
    let caller = try served.connect()
    caller.send(get)
    _ = try caller.answer()
    func option(_ descriptor: Int32, _ level: Int32, _ name: Int32) -> Int32 {
      var value: Int32 = 0
      var length = socklen_t(MemoryLayout<Int32>.size)
      getsockopt(descriptor, level, name, &value, &length)
      return value
    }
    func port(
      _ descriptor: Int32, _ of: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    )
      -> UInt16?
    {
      var address = sockaddr_in()
      var length = socklen_t(MemoryLayout<sockaddr_in>.size)
      let status = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { of(descriptor, $0, &length) }
      }
      return status == 0 ? address.sin_port : nil
    }
    let ours = try #require(port(caller.descriptor) { getsockname($0, $1, $2) })
    let theirs = try #require((3..<65_536).first { port($0) { getpeername($0, $1, $2) } == ours })
    #expect(option(theirs, SOL_SOCKET, SO_KEEPALIVE) == 1)
    #expect(option(theirs, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT) == 60_000)
  }

  @Test func streamsPartByPart() throws {
    let served = try Served()
    let caller = try served.connect()
    caller.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")
    let stream = try served.stream()
    #expect(try caller.until("\r\n\r\n").lowercased().contains("transfer-encoding: chunked"))
    for part in ["one", "two", String(repeating: "x", count: 5_000)] {
      #expect(stream.write(Array(part.utf8)) == .written)
      var received = ""
      while received.utf8.count < part.utf8.count { received += try caller.chunk() }
      #expect(received == part)
    }
    stream.finish()
    #expect(try caller.chunk().isEmpty)
    #expect(stream.write([1]) == .closed)
    caller.send(get)
    #expect(try caller.answer().body == "hello you")

    let old = try served.connect()
    old.send("GET /stream HTTP/1.0\r\n\r\n")
    let second = try served.stream()
    #expect(second.write(Array("old".utf8)) == .written)
    second.finish()
    #expect(try old.rest().hasSuffix("\r\n\r\nold"))

    caller.send("HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n")
    #expect(try caller.answer(toHead: true).status == 200)
    #expect(try served.stream().write([1]) == .closed)
  }

  @Test func aStreamHasALimitAndItsWriterHearsOfItsEnd() throws {
    let served = try Served { $0.sendTime = .milliseconds(500) }
    var caller: RawConnection? = try served.connect()
    caller?.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")
    let stream = try served.stream()
    let part = [UInt8](repeating: 7, count: 50_000)
    var outcome = HTTPStream.Outcome.written
    var written = 0
    // The kernel takes some megabytes; then our buffer fills, and then nobody has read for half a second.
    while outcome != .closed, written < 10_000 {
      outcome = stream.write(part)
      if outcome == .written { written += 1 } else { usleep(1_000) }
    }
    #expect(outcome == .closed && written < 10_000)
    #expect(served.interruption() == .peerLeft)
    caller = nil
    caller = try served.connect()
    caller?.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")
    let broken = try served.stream()
    #expect(broken.write([0x61]) == .written)
    #expect(try caller?.until("\r\n\r\n") != nil)
    #expect(try caller?.chunk() == "a")
    broken.breakOff()
    #expect(try caller?.rest() == "", "no last chunk")
  }

  @Test func drainsWithoutLosingAnAnswer() throws {
    let served = try Served()
    let port = try #require(served.server.boundPort)
    let (idle, waiting, stubborn, streaming) = (
      try served.connect(), try served.connect(), try served.connect(), try served.connect()
    )
    idle.send(get)
    _ = try idle.answer()
    waiting.send(post("/later", ""))
    let first = try served.exchange()
    stubborn.send(post("/later", ""))
    let second = try served.exchange()
    streaming.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")
    let stream = try served.stream()
    let server = served.server
    let stopping = WorkerThread(name: "stops") { server.stop(until: .now() + .seconds(1)) }
    #expect((0..<3).map { _ in served.interruption() } == [.serverStops, .serverStops, .serverStops])
    #expect(try idle.isEnded())
    first.respond(.text(200, "still answered"))
    let answer = try waiting.answer()
    #expect(answer.body == "still answered" && answer.head.lowercased().contains("connection: close"))
    let last = try stubborn.answer()
    #expect(last.status == 503 && last.body.contains(#""code":"stopping""#))
    #expect(!second.respond(.text(200, "too late")))
    #expect(try streaming.rest().hasSuffix("0\r\n\r\n"))
    #expect(stream.write([1]) == .closed)
    stopping.join()
    #expect(throws: RawConnection.Refused.self) { try RawConnection(port) }
    server.stop(until: .now())
  }

  @Test func aRequestThatIsOnItsWayIsAnsweredInTheDrain() throws {
    for _ in 0..<20 {
      let served = try Served()
      let callers = try (0..<4).map { _ in try served.connect() }
      for caller in callers {
        caller.send(get)
        _ = try caller.answer()
      }
      for caller in callers { caller.send(get) }
      served.server.stop(until: .now() + .seconds(5))
      for caller in callers { #expect(try caller.answer().status == 200) }
    }
  }
}
