import Kafka
import Testing
import Values

@testable import CLI
@testable import Outbox

@Suite("Figures of top")
struct TopTests {
  private static let start = Instant(nanoseconds: 1_000_000_000)

  private func look(_ address: String, _ seconds: Int64, _ text: String) -> ProgramLook {
    ProgramLook(address, at: Self.start + .seconds(seconds), MetricsPage(Array(text.utf8)))
  }

  private func counter(_ value: Int, process: Int = 1, name: String = "a_total") -> String {
    "# TYPE \(name) counter\n\(name) \(value)\nprocess_start_time_seconds \(process)\n"
  }

  @Test func labelsAreReadAsTheyAreWritten() {
    let text = #"""
      # HELP x_total Text.
      # TYPE x_total counter
      x_total{a="b c",d="e\"f\\g\nh"} 3
      x_total{a="",} 4.5 1700000000
      x_total{a="open 1
      x_total{a=b} 1
      y +Inf
      z nothing
      """#
    let page = MetricsPage(Array(text.utf8))
    #expect(page.series("x_total").map(\.labels) == [["a": "b c", "d": "e\"f\\g\nh"], ["a": ""]])
    #expect(page.series("x_total").map(\.value) == [3, 4.5])
    #expect(page.has("x_total") && !page.has("y"))
    #expect(page.value("y") == .infinity && page.value("z") == nil)
  }

  @Test func ratesAreDifferences() {
    let before = [look("a", 0, counter(100)), look("b", 1, counter(10))]
    let now = [look("a", 10, counter(150)), look("b", 3, counter(20))]
    #expect(MetricsChange(from: before, to: now).rate("a_total") == 10)
  }

  @Test(arguments: [(1, 40, 4.0), (2, 150, 15.0), (2, 40, 4.0)])
  func aRestartedProgramCountsFromZero(process: Int, value: Int, rate: Double) {
    let change = MetricsChange(
      from: [look("a", 0, counter(100))], to: [look("a", 10, counter(value, process: process))])
    #expect(change.rate("a_total") == rate)
  }

  @Test func whatNobodyTellsIsNotZero() {
    let silent = ProgramLook("a", at: Self.start, problem: "no answer")
    let told = look("a", 5, counter(1))
    #expect(MetricsChange(from: [], to: [told]).rate("a_total") == nil)
    #expect(MetricsChange(from: [silent], to: [told]).rate("a_total") == nil)
    #expect(MetricsChange(from: [told], to: [silent]).rate("a_total") == nil)
    let again = look("a", 6, counter(1))
    #expect(MetricsChange(from: [told], to: [again]).rate("a_total") == 0)
    #expect(MetricsChange(from: [told], to: [again]).rate("b_total") == nil)
    #expect(MetricsChange(from: [told], to: [again]).sum("b") == nil)
  }

  @Test func aSeriesThatAppearsBeganAtZero() {
    let before = look("a", 0, "# TYPE x_total counter\n")
    let now = look("a", 2, "# TYPE x_total counter\nx_total{m=\"1\"} 6\n")
    #expect(MetricsChange(from: [before], to: [now]).rate("x_total") == 3)
  }

  private func histogram(_ counts: [Int]) -> String {
    let bounds = ["0.1", "1", "10", "+Inf"]
    return "# TYPE h histogram\n"
      + zip(bounds, counts).map { "h_bucket{le=\"\($0)\"} \($1)\n" }.joined() + "h_count \(counts.last ?? 0)\n"
  }

  @Test func percentilesAreThoseOfThePeriod() {
    let before = [look("a", 0, histogram([1_000, 1_000, 1_000, 1_000])), look("b", 0, histogram([0, 0, 0, 0]))]
    let now = [look("a", 10, histogram([1_000, 1_050, 1_050, 1_050])), look("b", 10, histogram([0, 50, 50, 50]))]
    let change = MetricsChange(from: before, to: now)
    #expect(change.observations("h") == 10)
    #expect(change.percentile(0.5, of: "h") == .init(value: 0.55, isBeyond: false))
    #expect(change.percentile(1, of: "h") == .init(value: 1, isBeyond: false))
    #expect(MetricsChange(from: before, to: before).percentile(0.5, of: "h") == nil)
    let beyond = [look("a", 10, histogram([1_000, 1_000, 1_000, 1_001]))]
    #expect(MetricsChange(from: before, to: beyond).percentile(0.5, of: "h") == .init(value: 10, isBeyond: true))
  }

  // MARK: - The page

  private func figures(programs: Int, silent: Int = 1) -> TopFigures {
    func text(_ round: Int) -> String {
      """
      # TYPE paysaga_grpc_server_handled_total counter
      paysaga_build_info{program="payments-server",version="0.2.0+512"} 1
      paysaga_ready 1
      paysaga_grpc_server_handled_total{grpc_method="GetPayment",grpc_code="OK"} \(round * 2_000_000)
      # TYPE paysaga_grpc_server_handling_seconds histogram
      \((0..<30).map { "paysaga_grpc_server_handling_seconds_count{grpc_method=\"A\($0)\"} \(round * 9)" }.joined(separator: "\n"))
      process_start_time_seconds 1
      """
    }
    let looks = { (round: Int) in
      (0..<programs).map { index in
        let address = "host-\(index).example.internal:9101"
        return index < silent
          ? ProgramLook(address, at: Self.start, problem: "no answer: connection refused \u{1B}[31m")
          : look(address, Int64(round), text(round))
      }
    }
    var databases = DatabaseLook()
    databases.outboxes = ["saga", "gateway", "processing"].map {
      DatabaseLook.Outbox(
        name: $0,
        status: OutboxStatus(
          reasons: [.noRelay: 1_000_000], dead: 100_000, pausedTopics: 3, oldestWaiting: nil, now: .now()),
        holdings: [])
    }
    return TopFigures(
      from: looks(1), to: looks(2), databases: databases, inboxes: [:], at: .now(), interval: .seconds(2))
  }

  @Test func theLagOfAGroupWithoutMembersIsShown() {
    let group = """
      # TYPE paysaga_consumer_group_lag_messages gauge
      paysaga_consumer_group_lag_messages{topic="inventory",group="payments"} 7
      paysaga_consumer_group_lag_messages{topic="inventory",group="others"} 9
      # TYPE paysaga_consumer_group_lag_seconds gauge
      paysaga_consumer_group_lag_seconds{topic="inventory",group="payments"} 25.5

      """
    let member = """
      # TYPE paysaga_inventory_partition_lag_messages gauge
      paysaga_inventory_partition_lag_messages{topic="inventory",partition="0"} 2
      # TYPE paysaga_consumer_lag_seconds gauge
      paysaga_consumer_lag_seconds{topic="inventory",group="payments"} 1

      """
    func waiting(_ text: String) -> [Double?] {
      let figures = TopFigures(
        from: [], to: [look("a", 1, text)], databases: nil,
        inboxes: ["inventory": GroupWatch.Group("payments", on: "inventory")], at: .now(), interval: .seconds(2))
      return figures.flows.first { $0.name == "inventory in" }?.waiting.map(\.value) ?? []
    }
    #expect(waiting(group) == [7, 25.5])
    #expect(waiting(group + member) == [2, 1])
    #expect(waiting("") == [nil, nil])
  }

  @Test(arguments: [(80, 24), (80, 25), (60, 10), (200, 60), (132, 43), (1, 1), (0, 0), (10, 3)])
  func aPageFitsItsTerminal(width: Int, height: Int) {
    for programs in [0, 1, 5, 6, 40] {
      let lines = TopPage(figures(programs: programs)).lines(in: .init(width: width, height: height))
      #expect(lines.count <= height)
      #expect(lines.allSatisfy { $0.count <= width && $0.allSatisfy { $0.isASCII && $0 != "\u{1B}" } })
    }
  }

  @Test func fiveProgramsFitTheSmallestTerminalWithAllBlocks() {
    let lines = TopPage(figures(programs: 5)).lines(in: .standard)
    for word in [
      "payments-server", "WORK", "gRPC calls", "bank calls", "webhooks", "OUTBOX", "ORDERS", "DIRECT", "PEOPLE",
    ] {
      #expect(lines.contains { $0.hasPrefix(word) }, "\(word) in\n\(lines.joined(separator: "\n"))")
    }
    #expect(lines.contains { $0.hasPrefix("-") && $0.contains("host-0") })
    #expect(lines.contains { $0.hasPrefix("gRPC calls") && $0.contains("8,000,000") })
    #expect(lines.contains { $0.hasPrefix("bank calls") && !$0.contains("0") })
  }

  @Test func moreProgramsThanLinesAreCounted() {
    let lines = TopPage(figures(programs: 40, silent: 1)).lines(in: .standard)
    #expect(lines.contains { $0.hasPrefix("...") && $0.contains("all ready") })
    #expect(lines.contains { $0.hasPrefix("-") && $0.contains("host-0") })
  }

  @Test func aLargeTerminalShowsTheBusiestCalls() {
    let small = TopPage(figures(programs: 3)).lines(in: .standard)
    let large = TopPage(figures(programs: 3)).lines(in: .init(width: 120, height: 60))
    #expect(!small.contains { $0.hasPrefix("CALLS") } && large.contains { $0.hasPrefix("CALLS") })
    #expect(large.contains("") && !small.contains(""))
  }

  @Test func machinesGetNullForWhatNobodyTells() {
    var bytes: [UInt8] = []
    figures(programs: 1).record.appendJSON(to: &bytes)
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(text.contains(#""name":"gRPC calls","rate":null,"p50_s":null"#))
    #expect(text.contains(#""unknown":null"#) && text.contains(#""missing":["host-0"#))
  }
}
