import Kafka
import Outbox
import ProcessingStore
import Values

/// What `top` shows, worked out of what programs and databases told. What nobody tells is nil. Pure.
struct TopFigures: Sendable {
  /// A program.
  struct Program: Sendable {
    let address: String
    /// nil without an answer.
    let name: String?
    let version: String
    /// `ready`, what is not ready, or why there is no answer.
    let state: String
    let isWell: Bool
    /// Processor time a second.
    let processor: Double?
    let memory: Double?
  }

  /// A stream of work: how much, how fast, how much of it failed, and what waits.
  struct Flow: Sendable {
    let name: String
    let rate: Double?
    let median: MetricsChange.Percentile?
    let slow: MetricsChange.Percentile?
    let failures: Double?
    let waiting: [Gauge]
  }

  /// A value with a word.
  struct Gauge: Sendable {
    enum Unit: Sendable { case count, seconds, rate }
    let name: String
    let value: Double?
    let unit: Unit
    /// Whether it says more about the one before: since when.
    var belongsToLast: Bool { name == "for" }
  }

  /// An outbox.
  struct Outbox: Sendable {
    let name: String
    let rate: Double?
    let median: MetricsChange.Percentile?
    let slow: MetricsChange.Percentile?
    let status: OutboxStatus
    let holdings: [ShardHolding]

    var blocked: Int { status.reasons.filter { $0.key.isBlocking }.reduce(0) { $0 + $1.value } }
    var relays: Int { holdings.filter { $0.owner != nil }.count }
    var silent: Int { holdings.filter { $0.owner != nil && !$0.isHeard }.count }
    var unleased: Int { holdings.filter { $0.owner == nil || !$0.isCurrent }.reduce(0) { $0 + $1.shards } }
  }

  /// The name of the calls of the bank.
  static let bankCalls = "bank calls"

  let at: Timestamp
  let interval: Duration
  let programs: [Program]
  let flows: [Flow]
  let outboxes: [Outbox]
  let orders: [Gauge]
  let direct: [Gauge]
  let people: [Gauge]
  let bank: String?
  /// Kinds of calls and requests, the busiest first.
  let calls: [Flow]
  /// What of the databases could not be looked at, and why.
  let problems: [String]

  /// What could not be looked at, and why.
  var missing: [String] {
    programs.filter { $0.name == nil }.map { "\($0.address): \($0.state)" } + problems
  }

  /// - Parameters:
  ///   - before: the looks at the programs before; empty at first.
  ///   - looks: the newest looks at the programs.
  ///   - databases: the newest look at the databases; nil while there is none.
  ///   - inboxes: the groups of the inboxes, by name: others tell their lag when no member does.
  ///   - at: the time that is shown.
  init(
    from before: ProgramLooks, to looks: ProgramLooks, databases: DatabaseLook?, inboxes: [String: GroupWatch.Group],
    at: Timestamp, interval: Duration
  ) {
    let change = MetricsChange(from: before, to: looks)
    self.at = at
    self.interval = interval
    programs = looks.map { look in Self.program(look, MetricsChange(from: before, to: [look])) }
    flows = Self.flows(change, inboxes)
    outboxes = (databases?.outboxes ?? []).map { Self.outbox($0, change) }
    orders = Self.orders(change)
    direct = Self.direct(change, databases)
    people = Self.people(change, databases)
    bank = change.largest("paysaga_bank_breaker_state").map {
      ["asked", "tried", "not asked"][Int(min(2, max(0, $0)))]
    }
    calls = Self.calls(change)
    problems = (databases?.problems ?? ["the databases: no answer yet"]).map { oneLine($0) }
  }

  private static func program(_ look: ProgramLook, _ change: MetricsChange) -> Program {
    guard let page = look.metrics else {
      return Program(
        address: look.address, name: nil, version: "", state: oneLine(look.problem ?? "no answer"), isWell: false,
        processor: nil, memory: nil)
    }
    let build = page.series("paysaga_build_info").first?.labels ?? [:]
    let down = page.series("paysaga_dependency_up").filter { $0.value == 0 }.compactMap { $0.labels["dependency"] }
    let isReady = page.value("paysaga_ready") == 1
    return Program(
      address: look.address, name: build["program"], version: build["version"] ?? "",
      state: isReady ? "ready" : down.isEmpty ? "not ready" : "not ready: \(down.joined(separator: ", "))",
      isWell: isReady, processor: change.rate("process_cpu_seconds_total"),
      memory: page.value("process_resident_memory_bytes"))
  }

  // MARK: - Work

  private static func flows(_ change: MetricsChange, _ inboxes: [String: GroupWatch.Group]) -> [Flow] {
    let unary: MetricsChange.Choice = { $0["grpc_type"] == "unary" }
    let isOurFault: MetricsChange.Choice = {
      ["INTERNAL", "UNKNOWN", "UNAVAILABLE", "DATA_LOSS"].contains($0["grpc_code"] ?? "")
    }
    let isCall: MetricsChange.Choice = { $0["surface"] != "admin" && $0["surface"] != "bank" }
    func flow(
      _ name: String, _ rate: Double?, _ seconds: String, _ choice: MetricsChange.Choice, failures: Double?,
      _ waiting: [Gauge]
    ) -> Flow {
      Flow(
        name: name, rate: rate, median: change.percentile(0.5, of: seconds, choice),
        slow: change.percentile(0.99, of: seconds, choice), failures: failures, waiting: waiting)
    }
    let all: MetricsChange.Choice = { _ in true }
    return ["inventory", "direct_payments", "results"].map { Self.inbox($0, change, inboxes[$0]) } + [
      flow(
        "gRPC calls", change.rate("paysaga_grpc_server_handled_total"), "paysaga_grpc_server_handling_seconds", unary,
        failures: change.rate("paysaga_grpc_server_handled_total", isOurFault),
        [Gauge(name: "in flight", value: change.sum("paysaga_grpc_server_calls_in_flight"), unit: .count)]),
      flow(
        "HTTP requests", change.rate("paysaga_http_server_requests_total", isCall),
        "paysaga_http_server_request_seconds", isCall,
        failures: change.rate("paysaga_http_server_requests_total") { isCall($0) && $0["code"]?.first == "5" },
        [Gauge(name: "in flight", value: change.sum("paysaga_http_server_requests_in_flight", isCall), unit: .count)]),
      flow(
        bankCalls, change.rate("paysaga_bank_calls_total"), "paysaga_bank_call_seconds", all,
        failures: change.rate("paysaga_bank_calls_total") { isBankFailure($0["answer"]) },
        [Gauge(name: "in flight", value: change.sum("paysaga_bank_calls_in_flight"), unit: .count)]),
      flow(
        "webhooks", change.rate("paysaga_webhook_attempts_total"), "paysaga_webhook_attempt_seconds", all,
        failures: change.rate("paysaga_webhook_attempts_total") { $0["outcome"] == "failed" },
        [Gauge(name: "due for", value: change.largest("paysaga_webhook_oldest_due_seconds"), unit: .seconds)]),
      flow(
        "database", change.observations("paysaga_db_run_seconds"), "paysaga_db_run_seconds", all,
        failures: change.rate("paysaga_batch_failures_total"),
        [Gauge(name: "queue", value: change.sum("paysaga_db_pool_waiting"), unit: .count)]),
    ]
  }

  /// A bank that could not be asked, or gave no usable answer; that it refused a card is none of its failures.
  private static func isBankFailure(_ answer: String?) -> Bool { answer == "not_sent" || answer == "unclear" }

  private static func inbox(_ name: String, _ change: MetricsChange, _ group: GroupWatch.Group?) -> Flow {
    let seconds = "paysaga_\(name)_message_delay_seconds"
    let lag = "paysaga_\(name)_partition_lag_messages"
    let topics = change.labels("topic", of: lag)
    let members = (
      messages: change.sum(lag),
      seconds: change.largest("paysaga_consumer_lag_seconds") { topics.contains($0["topic"] ?? "") }
    )
    // Of a group without members the brokers know how far it is behind.
    let isGroup: MetricsChange.Choice = { $0["group"] == group?.group && $0["topic"] == group?.topic }
    return Flow(
      name: "\(name.replacing("_", with: " ")) in", rate: change.rate("paysaga_\(name)_messages_total"),
      median: change.percentile(0.5, of: seconds), slow: change.percentile(0.99, of: seconds),
      failures: change.rate("paysaga_\(name)_messages_total") { $0["outcome"] == "dead_lettered" },
      waiting: [
        Gauge(
          name: "lag", value: members.messages ?? change.largest("paysaga_consumer_group_lag_messages", isGroup),
          unit: .count),
        Gauge(
          name: "for", value: members.seconds ?? change.largest("paysaga_consumer_group_lag_seconds", isGroup),
          unit: .seconds),
      ])
  }

  private static func outbox(_ look: DatabaseLook.Outbox, _ change: MetricsChange) -> Outbox {
    let isOurs: MetricsChange.Choice = { ($0["schema"] ?? "saga") == look.name }
    let delay = "paysaga_outbox_publish_delay_seconds"
    return Outbox(
      name: look.name, rate: change.rate("paysaga_outbox_published_total", isOurs),
      median: change.percentile(0.5, of: delay, isOurs), slow: change.percentile(0.99, of: delay, isOurs),
      status: look.status, holdings: look.holdings)
  }

  // MARK: - Payments

  private static func orders(_ change: MetricsChange) -> [Gauge] {
    let counter = "paysaga_payments_changes_total"
    return [("opened", "CREATED"), ("completed", "COMPLETED"), ("failed", "FAILED")].map { word, status in
      Gauge(name: word, value: change.rate(counter) { $0["status"] == status }, unit: .rate)
    } + [Gauge(name: "expired", value: change.rate("paysaga_payments_expired_total"), unit: .rate)]
  }

  private static func direct(_ change: MetricsChange, _ databases: DatabaseLook?) -> [Gauge] {
    let open = databases?.open
    let states = ["COMPLETED", "REJECTED", "ERROR"].map { state in
      Gauge(
        name: state.lowercased(), value: change.rate("paysaga_processing_states_total") { $0["state"] == state },
        unit: .rate)
    }
    return [
      Gauge(name: "unknown", value: open.map { Double($0.unknown) }, unit: .count),
      Gauge(name: "for", value: open.map { $0.oldestUnknown.inSeconds }, unit: .seconds),
      Gauge(name: "queue", value: open.map { Double($0.waiting) }, unit: .count),
    ] + states
  }

  private static func people(_ change: MetricsChange, _ databases: DatabaseLook?) -> [Gauge] {
    [
      Gauge(name: "reviews", value: databases?.open.map { Double($0.reviews) }, unit: .count),
      Gauge(name: "exceptions", value: databases?.exceptions.map { Double($0) }, unit: .count),
      Gauge(name: "dead letters", value: databases?.deadLetters.map { Double($0) }, unit: .count),
      Gauge(
        name: "webhook receivers failing", value: change.largest("paysaga_webhook_endpoints_failing"), unit: .count),
    ]
  }

  // MARK: - Calls

  private static func calls(_ change: MetricsChange) -> [Flow] {
    let grpc = change.labels("grpc_method", of: "paysaga_grpc_server_handling_seconds_count").map { method in
      call("gRPC \(method)", "paysaga_grpc_server_handling_seconds", change) { $0["grpc_method"] == method }
    }
    let name = "paysaga_http_server_request_seconds"
    let http = change.labels("route", of: "\(name)_count").map { route in
      call("HTTP \(route)", name, change) { $0["route"] == route && $0["surface"] != "admin" }
    }
    let bank = change.labels("call", of: "paysaga_bank_call_seconds_count").map { kind in
      call("bank \(kind)", "paysaga_bank_call_seconds", change) { $0["call"] == kind }
    }
    return (grpc + http + bank).filter { ($0.rate ?? 0) > 0 }.sorted {
      ($1.rate ?? 0, $0.name) < ($0.rate ?? 0, $1.name)
    }
  }

  private static func call(
    _ name: String, _ seconds: String, _ change: MetricsChange, _ choice: @escaping MetricsChange.Choice
  ) -> Flow {
    Flow(
      name: name, rate: change.observations(seconds, choice), median: change.percentile(0.5, of: seconds, choice),
      slow: change.percentile(0.99, of: seconds, choice), failures: nil, waiting: [])
  }
}
