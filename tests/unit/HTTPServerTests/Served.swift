import HTTPServer
import Logger
import Metrics
import Runtime
import Testing
import Values

/// A server on a free port with what its handlers kept.
final class Served {
  let server: HTTPServer
  let metrics = MetricsRegistry()
  let log = Monitor("")
  let kept = Monitor<[HTTPExchange]>([])
  let interruptions = Monitor<[HTTPInterruption]>([])
  let streams = Monitor<[HTTPStream]>([])

  init(_ change: (inout HTTPServerConfiguration) throws -> Void = { _ in }) throws {
    var configuration = HTTPServerConfiguration(
      address: NetworkAddress(host: "127.0.0.1", port: 0), surface: "test")
    try change(&configuration)
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

/// A request that is answered at once.
let get = "GET /hello/you HTTP/1.1\r\nHost: h\r\n\r\n"

/// A request with a body.
func post(_ path: String, _ body: String, _ fields: String = "") -> String {
  "POST \(path) HTTP/1.1\r\nHost: h\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)"
}
