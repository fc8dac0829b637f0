import Errors
import Foundation
import Logger
import Metrics
import Runtime
import TLS
import TestSupport
import Testing
import Values

@testable import HTTPServer

@Suite(.timeLimit(.minutes(1))) struct HTTPServerTests {
  /// A server on a free port with what its handlers kept.
  private final class Served {
    let server: HTTPServer
    let metrics = MetricsRegistry()
    let log = Monitor("")
    let kept = Monitor<[HTTPExchange]>([])
    let interruptions = Monitor<[HTTPInterruption]>([])
    let streams = Monitor<[HTTPStream]>([])

    init(_ change: (inout HTTPServerConfiguration) -> Void = { _ in }) throws {
      var configuration = HTTPServerConfiguration(
        address: NetworkAddress(host: "127.0.0.1", port: 0), surface: "test")
      change(&configuration)
      var router = HTTPRouter()
      router.add(.get, "/hello/{name}", name: "hello") { request, exchange in
        exchange.respond(.text(200, "hello \(request.parameters["name"] ?? "")"))
      }
      router.add(.post, "/echo", name: "echo", maxBody: 100_000) { request, exchange in
        exchange.respond(.text(200, String(decoding: request.body, as: UTF8.self)))
      }
      let (kept, interruptions, streams) = (kept, interruptions, streams)
      router.add(.post, "/later", name: "later", maxBody: 100_000, answerTime: .seconds(20)) { _, exchange in
        exchange.whenInterrupted { reason in interruptions.update { $0.append(reason) } }
        kept.update { $0.append(exchange) }
      }
      router.add(.get, "/short", name: "short", answerTime: .milliseconds(200)) { _, exchange in
        exchange.whenInterrupted { reason in interruptions.update { $0.append(reason) } }
        kept.update { $0.append(exchange) }
      }
      router.add(.get, "/drop", name: "drop") { _, _ in }
      router.add(.get, "/split", name: "split") { _, exchange in
        var response = HTTPResponse.text(200, "ok")
        response.add("X-Good", "yes")
        response.add("X-Bad", "a\r\nSet-Cookie: b")
        exchange.respond(response)
      }
      router.add(.get, "/stream", name: "stream") { _, exchange in
        exchange.whenInterrupted { reason in interruptions.update { $0.append(reason) } }
        streams.update {
          $0.append(exchange.stream(HTTPResponse(200, contentType: "text/event-stream"), capacity: 100_000))
        }
      }
      let log = log
      server = HTTPServer(
        configuration, router: router,
        logger: Logger(label: "test", level: .debug) { line in
          log.update { $0 += String(decoding: line, as: UTF8.self) }
        }, metrics: metrics)
      try server.start()
    }

    deinit { server.stop(until: .now()) }

    func connect() throws -> RawConnection { try RawConnection(try #require(server.boundPort)) }

    func exchange() throws -> HTTPExchange {
      try #require(kept.wait(until: .now() + .seconds(5)) { $0.isEmpty ? nil : $0.removeFirst() })
    }

    func interruption() -> HTTPInterruption? {
      interruptions.wait(until: .now() + .seconds(5)) { $0.isEmpty ? nil : $0.removeFirst() }
    }

    func stream() throws -> HTTPStream {
      try #require(streams.wait(until: .now() + .seconds(5)) { $0.isEmpty ? nil : $0.removeFirst() })
    }
  }

  private let get = "GET /hello/you HTTP/1.1\r\nHost: h\r\n\r\n"

  private func post(_ path: String, _ body: String, _ fields: String = "") -> String {
    "POST \(path) HTTP/1.1\r\nHost: h\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)"
  }

  @Test func answersOneAfterTheOtherOnAConnection() throws {
    let served = try Served()
    let caller = try served.connect()
    for _ in 0..<3 {
      caller.send(get)
      let answer = try caller.answer()
      #expect(answer.status == 200 && answer.body == "hello you")
      #expect(answer.head.lowercased().contains("content-type: text/plain; charset=utf-8\r\n"))
    }
    caller.send(post("/echo", String(repeating: "x", count: 100_000)))
    #expect(try caller.answer().body.utf8.count == 100_000)
    caller.send("HEAD /hello/you HTTP/1.1\r\nHost: h\r\n\r\n")
    let head = try caller.answer(toHead: true)
    #expect(head.status == 200 && head.head.lowercased().contains("content-length: 9\r\n"))
    caller.send(get + post("/echo", "two") + get)
    #expect(try (0..<3).map { _ in try caller.answer().body } == ["hello you", "two", "hello you"], "pipelined")
  }

  @Test func answersByteByByteAndAfterHalfOfTheConnectionEnded() throws {
    let served = try Served()
    let caller = try served.connect()
    for byte in post("/echo", "slow").utf8 { caller.send([byte]) }
    #expect(try caller.answer().body == "slow")
    caller.send(get)
    caller.finish()
    #expect(try caller.answer().body == "hello you")
    #expect(try caller.isEnded())
    // The end comes together with the bytes, wherever they are cut.
    for length in 0..<get.utf8.count {
      let cut = try served.connect()
      cut.send(Array(get.utf8.prefix(length)))
      cut.finish()
      #expect(try cut.isEnded())
    }
  }

  @Test func refusesWithProblemsAndGoesOnWhereItCan() throws {
    let served = try Served()
    let caller = try served.connect()
    caller.send("GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n")
    var answer = try caller.answer()
    #expect(answer.status == 404 && answer.body.contains(#""code":"unknown_path""#))
    #expect(answer.head.lowercased().contains("content-type: application/problem+json\r\n"))
    caller.send("DELETE /hello/you HTTP/1.1\r\nHost: h\r\n\r\n")
    answer = try caller.answer()
    #expect(answer.status == 405 && answer.head.contains("Allow: GET, HEAD\r\n"))
    caller.send("GET /hello/%zz HTTP/1.1\r\nHost: h\r\n\r\n")
    answer = try caller.answer()
    #expect(
      answer.status == 400 && answer.head.lowercased().contains("connection: close") && !answer.body.contains("zz"))
    #expect(try caller.isEnded())
  }

  @Test func refusesBodiesThatAreTooLong() throws {
    let served = try Served()
    let known = try served.connect()
    known.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100001\r\n\r\n")
    var answer = try known.answer()
    #expect(answer.status == 413 && answer.body.contains("100000"))
    #expect(try known.isEnded(), "the body is not read")

    let chunked = try served.connect()
    chunked.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    let chunk = "4e20\r\n" + String(repeating: "x", count: 20_000) + "\r\n"
    for _ in 0..<6 { chunked.send(chunk) }
    chunked.send("0\r\n\r\n")
    answer = try chunked.answer()
    #expect(answer.status == 413)

    let endless = try served.connect()
    endless.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    var sent = 0
    while sent < 1_000, endless.send(chunk) { sent += 1 }
    #expect(sent < 1_000, "nobody reads without an end")
    let expecting = try served.connect()
    expecting.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n")
    #expect(try expecting.answer().status == 413)
  }

  @Test func takesChunkedBodiesAndThenEndsTheConnection() throws {
    let served = try Served()
    let caller = try served.connect()
    let body = "3;name=\"v\"\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
    caller.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + body + get)
    let answer = try caller.answer()
    #expect(answer.status == 200 && answer.body == "abcde" && answer.head.lowercased().contains("connection: close"))
    #expect(try caller.rest().isEmpty, "what follows is not believed to be a request")
  }

  @Test func asksForTheBodyThatACallerHoldsBack() throws {
    let served = try Served()
    let caller = try served.connect()
    caller.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    #expect(try caller.until("\r\n\r\n").hasPrefix("HTTP/1.1 100 "))
    caller.send("ab")
    #expect(try caller.answer().body == "ab")
  }

  /// What may stand in front of us must not be told other requests than we see.
  @Test(arguments: [
    "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length : 4\r\n\r\nabcd",
    "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encodin: chunked\r\n g\r\n\r\n0\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: h\r\nX: y\r\n Content-Length: 4\r\n\r\nabcd",
    "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\0 5\r\n\r\nabcd",
    "POST /echo HTTP/1.1\r\nHost: h\r\nX\0Y: 1\r\n\r\n", "GET /hello/you HTTP/1.1\r\nHost: h\nX: 1\r\n\r\n",
    "GET /hello/you HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", "GET /hello/a\0b HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /hello/a b HTTP/1.1\r\nHost: h\r\n\r\n", "GET /hello/you HTTP/1.1\r\n\r\n",
    "GET /hello/you HTTP/2.0\r\nHost: h\r\n\r\n",
    "GET /hello/you HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", "GET hello HTTP/1.1\r\nHost: h\r\n\r\n",
    "\u{16}\u{3}\u{1}\r\n\r\n",
    "GET /hello/you HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n",
  ])
  func refusesWhatIsOpenToDoubt(_ request: String) throws {
    let served = try Served()
    let caller = try served.connect()
    caller.send(request)
    let answers = try caller.rest()
    // The library ends some connections without a word.
    let isRefused = ["400", "501", "505"].contains { answers.hasPrefix("HTTP/1.1 \($0) ") }
    #expect(answers.isEmpty || isRefused && answers.ranges(of: "Date: ").count == 1, "\(answers)")
  }

  @Test func tellsWhatIsTooLong() throws {
    let served = try Served {
      $0.maxTarget = 100
      $0.maxHeaders = 1_000
    }
    for (text, status) in [
      ("GET /hello/\(String(repeating: "a", count: 100)) HTTP/1.1\r\nHost: h\r\n\r\n", 414),
      ("GET /hello/\(String(repeating: "a", count: 100_000)) HTTP/1.1\r\nHost: h\r\n\r\n", 414),
      ("GET /hello/a HTTP/1.1\r\nHost: h\r\nX: \(String(repeating: "a", count: 1_000))\r\n\r\n", 431),
      ("GET /hello/a HTTP/1.1\r\nHost: h\r\nX: \(String(repeating: "a", count: 100_000))\r\n\r\n", 431),
      ("GET /hello/a HTTP/1.1\r\nHost: h\r\n\(String(repeating: "A: b\r\n", count: 5_000))\r\n", 431),
    ] {
      let caller = try served.connect()
      caller.send(text)
      #expect(try caller.answer().status == status)
    }
    // A thousand parameters are no memory beyond the limit.
    let caller = try served.connect()
    caller.send("GET /hello/a?\(String(repeating: "&", count: 80)) HTTP/1.1\r\nHost: h\r\n\r\n")
    #expect(try caller.answer().status == 200)
  }

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

  @Test func leavesOutFieldsThatWouldSplitTheAnswer() throws {
    let served = try Served()
    let caller = try served.connect()
    caller.send("GET /split HTTP/1.1\r\nHost: h\r\n\r\n")
    let answer = try caller.answer()
    #expect(answer.head.contains("X-Good: yes\r\n") && !answer.head.contains("Cookie") && answer.body == "ok")
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

  @Test func tooManyAtOnceAreToldToComeAgain() throws {
    let served = try Served { $0.maxRequests = 2 }
    let waiting = try (0..<2).map { _ in try served.connect() }
    for caller in waiting { caller.send(post("/later", "")) }
    let exchanges = try waiting.map { _ in try served.exchange() }
    let caller = try served.connect()
    caller.send(get)
    let answer = try caller.answer()
    #expect(answer.status == 503 && answer.head.contains("Retry-After: 1\r\n") && answer.body.contains("overloaded"))
    exchanges[0].respond(.text(200, ""))
    #expect(try waiting[0].answer().status == 200)
    caller.send(get)
    #expect(try caller.answer().status == 200)
    exchanges[1].respond(.text(200, ""))
  }

  @Test func bodiesTogetherHaveALimit() throws {
    let served = try Served { $0.maxHeldBodies = 150_000 }
    let body = String(repeating: "x", count: 100_000)
    let first = try served.connect()
    first.send(post("/later", body))
    let exchange = try served.exchange()
    let second = try served.connect()
    second.send(post("/echo", body))
    #expect(try second.answer().status == 503)
    exchange.respond(.text(200, "done"))
    #expect(try first.answer().status == 200)
    second.send(post("/echo", body))
    #expect(try second.answer().status == 200)
  }

  @Test func whoSendsNoWholeRequestIsEnded() throws {
    let served = try Served {
      $0.idleTime = .milliseconds(300)
      $0.requestTime = .milliseconds(300)
    }
    let silent = try served.connect()
    let began = try served.connect()
    began.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nab")
    let slow = try served.connect()
    let waiting = try served.connect()
    waiting.send(post("/later", ""))
    let exchange = try served.exchange()
    let start = Instant.now()
    while !slow.hasEnded, Instant.now() - start < .seconds(10) {
      slow.send("G")
      usleep(20_000)
    }
    #expect(try silent.isEnded())
    #expect(try began.isEnded())
    #expect((.milliseconds(200)...(.seconds(5))).contains(Instant.now() - start))
    exchange.respond(.text(200, "whole requests may take their time"))
    #expect(try waiting.answer().status == 200)
    #expect(
      served.metrics.exposition().contains(
        "http_server_connections_ended_total{surface=\"test\",reason=\"overdue\"} 3\n"))
  }

  @Test func connectionsHeldOpenKeepNobodyOut() throws {
    let served = try Served {
      $0.maxConnections = 20
      $0.maxConnectionsPerPeer = 10
    }
    let waiting = try served.connect()
    waiting.send(post("/later", ""))
    let exchange = try served.exchange()
    var held: [RawConnection] = []
    for _ in 0..<3 {
      for _ in 0..<20 {
        held.append(try served.connect())
        held.last?.send("G")
      }
      let caller = try served.connect()
      caller.send(get)
      #expect(try caller.answer().status == 200)
    }
    exchange.respond(.text(200, "kept"))
    #expect(try waiting.answer().body == "kept")
    #expect(served.server.connectionCount <= 20)
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

  @Test func serversOfSeveralThreadsServeAlike() throws {
    let served = try Served { $0.threads = 3 }
    let callers = try (0..<30).map { _ in try served.connect() }
    for _ in 0..<10 {
      for caller in callers { caller.send(get) }
      for caller in callers { #expect(try caller.answer().body == "hello you") }
    }
    for caller in callers { caller.send(post("/later", "")) }
    for _ in callers { try served.exchange().respond(.text(200, "late")) }
    for caller in callers { #expect(try caller.answer().body == "late") }
    served.server.stop(until: .now() + .seconds(5))
    for caller in callers { #expect(caller.hasEnded) }
  }

  @Test func countsWhatItServes() throws {
    let served = try Served()
    let caller = try served.connect()
    caller.send(get + get + "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n")
    for _ in 0..<3 { _ = try caller.answer() }
    let text = served.metrics.exposition()
    #expect(text.contains(#"http_server_requests_total{surface="test",route="hello",method="GET",code="200"} 2"#))
    #expect(text.contains(#"http_server_requests_total{surface="test",route="",method="",code="404"} 1"#))
    #expect(text.contains(#"http_server_request_seconds_count{surface="test",route="hello",method="GET"} 2"#))
    #expect(text.contains(#"http_server_connections{surface="test"} 1"#))
    let log = served.log.withLock { $0 }
    #expect(log.contains("method=GET route=hello status=200 peer=127.0.0.1:") && !log.contains("you"))
  }

  @Test func servesWithTLS() throws {
    let served = try Served { $0.tls = TestCertificates.ours.server }
    let port = try #require(served.server.boundPort)
    let openssl = Process()
    openssl.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
    openssl.arguments = [
      "s_client", "-quiet", "-verify_return_error", "-verify_hostname", "localhost", "-CAfile",
      TestCertificates.ours.authorityFile, "-connect", "127.0.0.1:\(port)",
    ]
    let (input, output) = (Pipe(), Pipe())
    (openssl.standardInput, openssl.standardOutput) = (input, output)
    openssl.standardError = FileHandle.nullDevice
    try openssl.run()
    input.fileHandleForWriting.write(Data(post("/echo", "secret", "Connection: close\r\n").utf8))
    let answer = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    openssl.waitUntilExit()
    #expect(answer.hasPrefix("HTTP/1.1 200 ") && answer.hasSuffix("\r\n\r\nsecret"))
    let clear = try served.connect()
    clear.send(get)
    #expect(try !clear.rest().contains("hello"))
  }

  @Test func saysWhyItDoesNotStart() throws {
    let served = try Served()
    let port = try #require(served.server.boundPort)
    func start(_ change: (inout HTTPServerConfiguration) -> Void) -> HTTPServerError? {
      var configuration = HTTPServerConfiguration(
        address: NetworkAddress(host: "127.0.0.1", port: 0), surface: "test", addressName: "TEST_ADDR")
      change(&configuration)
      let server = HTTPServer(
        configuration, router: HTTPRouter(), logger: Logger(label: "test", level: .error), metrics: MetricsRegistry())
      do throws(HTTPServerError) { try server.start() } catch { return error }
      return nil
    }
    let taken = start { $0.address = NetworkAddress(host: "127.0.0.1", port: port) }
    #expect(taken?.code == .cannotListen)
    #expect(taken?.description == "cannot listen on TEST_ADDR 127.0.0.1:\(port): Address already in use")
    #expect(start { $0.address = NetworkAddress(host: "no.such.host.invalid", port: 1) }?.code == .unknownHost)
    #expect(start { $0.tls = .init(certificate: "/nowhere", key: "/nowhere") }?.code == .certificate)
    #expect(start { $0.tls = .init(certificate: "/etc/passwd", key: "/etc/passwd") }?.code == .certificate)
  }
}
