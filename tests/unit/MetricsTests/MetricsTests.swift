import Foundation
import Metrics
import Testing

@Suite struct MetricsTests {
  @Test func writesTheTextFormat() {
    let registry = MetricsRegistry()
    registry.counter("calls_total", help: "Calls \\ by\nmethod.", labels: ["method": "Get\"\\\r\n"]).add(2)
    registry.counter("calls_total", help: "Calls", labels: ["method": "List"]).add()
    registry.gauge("waiting", help: "Waiting.").set(-1.5)
    registry.gauge("age_seconds", help: "Age.") { .infinity }
    registry.gauge("absent", help: "Absent.") { nil }
    registry.counter("cpu_seconds_total", help: "CPU.") { 0.25 }
    registry.gauges("up", help: "Up.", labels: ["name", "by"]) { [.init(["a\"b", "c"], 1), .init(["d", "e"], 0)] }
    let sizes = registry.histogram("batch", help: "Batch.", labels: ["by": "x"], bounds: [1, 2.5])
    for value in [1, 2, 3, 0.5] { sizes.observe(value) }
    #expect(
      registry.exposition() == """
        # HELP calls_total Calls \\\\ by\\nmethod.
        # TYPE calls_total counter
        calls_total{method="Get\\"\\\\\r\\n"} 2
        calls_total{method="List"} 1
        # HELP waiting Waiting.
        # TYPE waiting gauge
        waiting -1.5
        # HELP age_seconds Age.
        # TYPE age_seconds gauge
        age_seconds +Inf
        # HELP absent Absent.
        # TYPE absent gauge
        # HELP cpu_seconds_total CPU.
        # TYPE cpu_seconds_total counter
        cpu_seconds_total 0.25
        # HELP up Up.
        # TYPE up gauge
        up{name="a\\"b",by="c"} 1
        up{name="d",by="e"} 0
        # HELP batch Batch.
        # TYPE batch histogram
        batch_bucket{by="x",le="1"} 2
        batch_bucket{by="x",le="2.5"} 3
        batch_bucket{by="x",le="+Inf"} 4
        batch_sum{by="x"} 6.5
        batch_count{by="x"} 4

        """)
  }

  @Test func theSameNameAndLabelsAreTheSameMetric() {
    let registry = MetricsRegistry()
    let first = registry.counter("calls_total", help: "Calls.", labels: ["a": "1"])
    #expect(registry.counter("calls_total", help: "Calls.", labels: ["a": "1"]) === first)
    #expect(registry.counter("calls_total", help: "Calls.", labels: ["a": "2"]) !== first)
  }

  @Test func theNamespaceBeginsEveryNameButThoseOfTheProcess() {
    let registry = MetricsRegistry(namespace: "shop")
    registry.counter("calls_total", help: "Calls.").add(3)
    registry.gauge("process_open_fds", help: "Open.").set(7)
    registry.gauge("processing_open", help: "Open.").set(8)
    let samples = registry.exposition().split(separator: "\n").filter { !$0.hasPrefix("#") }
    #expect(samples == ["shop_calls_total 3", "process_open_fds 7", "shop_processing_open 8"])
    #expect(registry.counter("calls_total", help: "Calls.").total == 3)
  }

  @Test func countsFromManyThreads() {
    let counter = Counter()
    let histogram = Histogram(bounds: [10])
    DispatchQueue.concurrentPerform(iterations: 4) { _ in
      for value in 0..<5_000 {
        counter.add()
        histogram.observe(Double(value % 20))
      }
    }
    #expect(counter.total == 20_000)
    let snapshot = histogram.snapshot()
    #expect(snapshot.cumulative == [11_000, 20_000] && snapshot.count == 20_000 && snapshot.sum == 190_000)
  }

  @Test func tellsOfTheProcess() throws {
    let registry = MetricsRegistry()
    registry.registerProcess(program: "tests", version: "1.2.3")
    var values: [String: Double] = [:]
    for line in registry.exposition().split(separator: "\n") where !line.hasPrefix("#") {
      let words = line.split(separator: " ")
      values[String(words[0])] = Double(words[1])
    }
    #expect(values["build_info{program=\"tests\",version=\"1.2.3\"}"] == 1)
    #expect((1e6...1e11).contains(try #require(values["process_resident_memory_bytes"])))
    #expect(try #require(values["process_cpu_seconds_total"]) > 0)
    #expect((3...100_000).contains(try #require(values["process_open_fds"])))
    #expect(try #require(values["process_max_fds"]) > 3)
    let age = Date().timeIntervalSince1970 - (try #require(values["process_start_time_seconds"]))
    #expect((-2...3_600).contains(age))
  }
}
