import Foundation
import HTTPServer
import Metrics
import Testing
import Values

@Suite(.timeLimit(.minutes(1))) struct HTTPLimitTests {
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

  /// The library keeps a record of each field beside its bytes.
  @Test func whatIsAcceptedLeavesRoomForItsAnswer() throws {
    let served = try Served()
    for count in stride(from: 10, through: 800, by: 10) {
      let caller = try served.connect()
      caller.send("GET /hello/you HTTP/1.1\r\nHost: h\r\n\(String(repeating: "A:\r\n", count: count))\r\n")
      let status = try caller.answer().status
      #expect(status == (65 * count + 69 <= 8 << 10 ? 200 : 431), "\(count) fields")
    }
    let parameters = try served.connect()
    parameters.send("GET /hello/you?\(String(repeating: "&", count: 2_000)) HTTP/1.1\r\nHost: h\r\n\r\n")
    #expect(try parameters.answer().body == "hello you")
  }

  @Test func countsAsMalformedWhatIsNoRequestOnly() throws {
    let served = try Served { $0.idleTime = .milliseconds(300) }
    let (left, overdue) = (try served.connect(), try served.connect())
    let head = "GET /hello/you HTTP/1.1\r\nHost: h\r\n"
    for caller in [left, overdue] { caller.send(head) }
    left.finish()
    #expect(try left.isEnded())
    #expect(try overdue.isEnded())
    let malformed = "http_server_connections_ended_total{surface=\"test\",reason=\"malformed\"} "
    #expect(served.metrics.exposition().contains(malformed + "0\n"))
    let wrong = try served.connect()
    wrong.send(head + "no colon\r\n\r\n")
    _ = try wrong.rest()
    #expect(served.metrics.exposition().contains(malformed + "1\n"))
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

  @Test func aBodyThatIsReleasedCountsNoMore() throws {
    let served = try Served { $0.maxHeldBodies = 150_000 }
    let body = String(repeating: "x", count: 100_000)
    let first = try served.connect()
    first.send(post("/later", body))
    let exchange = try served.exchange()
    for _ in 1...2 { exchange.releaseBody() }
    let second = try served.connect()
    second.send(post("/echo", body))
    #expect(try second.answer().status == 200)
    exchange.respond(.text(200, "done"))
    #expect(try first.answer().status == 200)
    // It was given back once.
    first.send(post("/later", body))
    let next = try served.exchange()
    second.send(post("/echo", body))
    #expect(try second.answer().status == 503)
    next.respond(.text(200, "done"))
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
}
