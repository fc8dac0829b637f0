import Logger
import Metrics
import OTLP
import RawHTTP
import Runtime
import Testing
import Tracing
import Values

@Suite struct SpanExporterTests {
  private static let taken = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
  private let metrics = MetricsRegistry()

  private func exporter(_ url: String, capacity: Int = 100) throws -> SpanExporter {
    var configuration = SpanExporterConfiguration(
      endpoint: String(url.dropLast()), headers: [(name: "X-Token", value: "secret")],
      resource: ["service.name": "tests"])
    configuration.interval = .milliseconds(10)
    configuration.capacity = capacity
    let sampler: TraceSampler = try #require(TraceSampler("always_on"))
    return SpanExporter(
      configuration, sampler: sampler, scope: "tests",
      logger: Logger(label: "tests", level: .error), metrics: metrics)
  }

  private func value(_ line: String) -> Int? {
    metrics.exposition().split(separator: "\n").first { $0.hasPrefix("\(line) ") }?.split(separator: " ").last.flatMap {
      Int($0)
    }
  }

  private func wait(_ isTrue: () -> Bool) {
    let deadline = Instant.now() + .seconds(30)
    while !isTrue(), .now() < deadline { WakeSignal().wait(until: .now() + .milliseconds(5)) }
  }

  @Test func `spans go to the collector, also those of the last moment`() throws {
    let server = RawServer { _, _, _ in .bytes(Self.taken) }
    defer { server.stop() }
    let exporter = try exporter(server.url)
    exporter.start()
    exporter.tracer.begin("early", .server, parent: nil)?.end()
    wait { value("trace_spans_exported_total") == 1 }
    exporter.tracer.begin("late", .server, parent: nil)?.end()
    exporter.stop(until: .now() + .seconds(20))
    #expect(value("trace_spans_exported_total") == 2)
    let request = try #require(server.requests.first)
    #expect(request.hasPrefix("POST /v1/traces HTTP/1.1\r\n"))
    #expect(request.contains("X-Token: secret\r\n") && request.contains("Content-Type: application/x-protobuf\r\n"))
    #expect(server.requests.joined().contains("early") && server.requests.joined().contains("late"))
  }

  @Test func `while the collector is away a request is kept, and what finds no room is counted`() throws {
    let server = RawServer { _, connection, number in
      connection <= 2 && number == 1 ? .last("HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n") : .bytes(Self.taken)
    }
    defer { server.stop() }
    let exporter = try exporter(server.url, capacity: 2)
    exporter.tracer.begin("kept", .server, parent: nil)?.end()
    exporter.start()
    wait { server.requests.count == 1 }
    for _ in 0..<5 { exporter.tracer.begin("more", .server, parent: nil)?.end() }
    exporter.stop(until: .now() + .seconds(20))
    #expect(value("trace_spans_exported_total") == 3)
    #expect(value("trace_spans_dropped_total{reason=\"full\"}") == 3)
    #expect(value("trace_spans_dropped_total{reason=\"stopped\"}") == 0)
  }

  @Test func `what a collector refuses is dropped, and what it never answers ends with the program`() throws {
    let refusing = RawServer { _, _, _ in .bytes("HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n") }
    defer { refusing.stop() }
    let first = try exporter(refusing.url)
    first.start()
    first.tracer.begin("refused", .server, parent: nil)?.end()
    first.stop(until: .now() + .seconds(20))
    #expect(value("trace_spans_dropped_total{reason=\"refused\"}") == 1)
    let silent = RawServer { _, _, _ in .silence }
    defer { silent.stop() }
    let second = try exporter(silent.url)
    second.tracer.begin("unanswered", .server, parent: nil)?.end()
    second.start()
    second.stop(until: .now() + .milliseconds(300))
    #expect(value("trace_spans_dropped_total{reason=\"stopped\"}") == 1)
  }

  @Test func `a collector may refuse a part`() {
    #expect(SpanMessages.rejected([0x0A, 0x02, 0x08, 0x03]) == 3)
    #expect(SpanMessages.rejected([0x0A, 0x00]) == 0 && SpanMessages.rejected([]) == 0)
    #expect(SpanMessages.rejected([0x0A, 0x7F, 0x08]) == 0)
  }
}
