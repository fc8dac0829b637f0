import Outbox
import Settings
import Values

/// The figures of `top` as lines for a terminal of some size, or as a block without limits. Letters are ASCII, so that
/// a character is a column. Pure.
struct TopPage: Sendable {
  /// A terminal's size.
  struct Size: Sendable, Hashable {
    var width: Int
    var height: Int

    /// What nearly every terminal has at least.
    static let standard = Size(width: 80, height: 24)
  }

  /// What stands for a value that nobody tells.
  private static let unknown = "-"
  private static let flowHead = Row("WORK", "per s", "p50", "p99", "failed/s").text + "  waiting"

  private let figures: TopFigures

  init(_ figures: TopFigures) { self.figures = figures }

  /// All lines, none shortened.
  var lines: [String] {
    let blocks = [programs(most: .max), work, outboxes, payments, calls(most: .max), missing]
    return [title(hint: "")] + blocks.filter { !$0.isEmpty }.flatMap { $0 }
  }

  /// At most as many lines as the terminal has, none of them longer than it is wide. With room to spare blocks stand
  /// apart, and the busiest calls are shown; without it, programs that are well give way first.
  func lines(in size: Size) -> [String] {
    let tail = [outboxes, payments, missing].filter { !$0.isEmpty }
    let rest = 1 + work.count + tail.reduce(0) { $0 + $1.count }
    let programs = programs(most: max(2, size.height - rest))
    var blocks = [[title(hint: "q quits")], programs, work] + tail
    let spare = size.height - blocks.reduce(0) { $0 + $1.count }
    let gaps = blocks.count - 1
    // A head and three calls at least.
    if spare >= gaps + 5 { blocks.insert(calls(most: spare - gaps - 2), at: 3) }
    blocks.removeAll(where: \.isEmpty)
    let isRoomy = size.height >= blocks.reduce(blocks.count - 1) { $0 + $1.count }
    var lines = Array(blocks.joined(separator: isRoomy ? [""] : []))
    if lines.count > size.height, size.height > 0 {
      let hidden = lines.count - size.height + 1
      lines = lines.prefix(size.height - 1) + ["... \(hidden) more lines: enlarge the window"]
    }
    return lines.prefix(max(0, size.height)).map { Self.cut($0, size.width) }
  }

  private static func cut(_ line: String, _ width: Int) -> String {
    let shown = String(printable(line).map { $0.isASCII ? $0 : "?" })
    return shown.count <= width ? shown : "\(shown.prefix(max(0, width - 3)))\("...".prefix(width))"
  }

  // MARK: - Blocks

  private func title(hint: String) -> String {
    let answered = figures.programs.filter { $0.name != nil }.count
    let parts = [
      "paysaga top", "\(figures.at)".prefix(19) + "Z", "every \(DurationText.format(figures.interval))",
      "\(answered) of \(figures.programs.count) programs", hint,
    ]
    return parts.filter { !$0.isEmpty }.joined(separator: "   ")
  }

  /// - Parameter most: lines, the head among them.
  private func programs(most: Int) -> [String] {
    guard !figures.programs.isEmpty else { return [] }
    let sorted = figures.programs.filter { !$0.isWell } + figures.programs.filter(\.isWell)
    var shown = figures.programs
    var more: [String] = []
    if shown.count + 1 > most {
      shown = Array(sorted.prefix(max(0, most - 2)))
      let hidden = sorted.dropFirst(shown.count)
      let ill = hidden.filter { !$0.isWell }.count
      more = ["... \(hidden.count) more programs, \(ill == 0 ? "all ready" : "\(ill) of them not ready")"]
    }
    let width = max(18, figures.programs.map { $0.address.count }.max() ?? 0)
    let head = Self.left("PROGRAM", 18) + Self.left("address", width) + Self.right("cpu", 6) + Self.right("memory", 9)
    return [head + "  state"]
      + shown.map { program in
        Self.left(program.name ?? Self.unknown, 18) + Self.left(program.address, width)
          + Self.right(program.processor.map { "\(Int64(saturating: ($0 * 100).rounded()))%" } ?? Self.unknown, 6)
          + Self.right(program.memory.map { "\(Int64(saturating: $0 / 1_048_576)) MiB" } ?? Self.unknown, 9)
          + "  \(program.state)\(program.version.isEmpty || !program.isWell ? "" : "  \(program.version)")"
      } + more
  }

  private var work: [String] {
    [Self.flowHead]
      + figures.flows.map { flow in
        let bank = flow.name == TopFigures.bankCalls ? figures.bank.map { ", bank \($0)" } ?? "" : ""
        let base = Row(
          flow.name, Self.rate(flow.rate), Self.time(flow.median), Self.time(flow.slow), Self.rate(flow.failures))
        return "\(base.text)  \(Self.words(flow.waiting))\(bank)"
      }
  }

  private var outboxes: [String] {
    guard !figures.outboxes.isEmpty else { return [] }
    let head = Row("OUTBOX", "per s", "p50", "p99", "waiting", "oldest").text
    return [head + " blocked dead  relays"]
      + figures.outboxes.map { outbox in
        let status = outbox.status
        let waiting = status.waiting == OutboxStatus.countLimit ? ">1M" : Self.count(Double(status.waiting))
        let row = Row(
          outbox.name, Self.rate(outbox.rate), Self.time(outbox.median), Self.time(outbox.slow), waiting,
          Self.time(status.age.inSeconds))
        return row.text + Self.right(Self.count(Double(outbox.blocked)), 8)
          + Self.right(Self.count(Double(status.dead)), 5) + "  \(Self.relays(outbox))"
      }
  }

  private static func relays(_ outbox: TopFigures.Outbox) -> String {
    var words = "\(outbox.relays)"
    if outbox.silent > 0 { words += ", \(outbox.silent) silent" }
    if outbox.unleased > 0 { words += ", \(outbox.unleased) shards free" }
    if outbox.status.pausedTopics > 0 { words += ", \(outbox.status.pausedTopics) paused" }
    return words
  }

  private var payments: [String] {
    [
      "ORDERS  " + Self.words(figures.orders), "DIRECT  " + Self.words(figures.direct),
      "PEOPLE  " + Self.words(figures.people),
    ]
  }

  /// - Parameter most: lines, the head among them.
  private func calls(most: Int) -> [String] {
    guard !figures.calls.isEmpty, most > 1 else { return [] }
    let width = figures.calls.prefix(most - 1).map(\.name.count).max() ?? 0
    return [Row("CALLS", "per s", "p50", "p99", width: width).text]
      + figures.calls.prefix(most - 1).map { call in
        Row(call.name, Self.rate(call.rate), Self.time(call.median), Self.time(call.slow), width: width).text
      }
  }

  /// Programs say for themselves that they are away.
  private var missing: [String] { figures.problems.map { "MISSING  \($0)" } }

  // MARK: - Words

  private static func words(_ gauges: [TopFigures.Gauge]) -> String {
    gauges.map { gauge in "\(gauge.belongsToLast ? " " : "  ")\(gauge.name) \(value(gauge))" }.joined().dropFirst(2)
      .description
  }

  fileprivate static func value(_ gauge: TopFigures.Gauge) -> String {
    guard let value = gauge.value else { return unknown }
    return switch gauge.unit {
    case .count: count(value)
    case .seconds: time(value)
    case .rate: "\(rate(value))/s"
    }
  }

  fileprivate static func rate(_ value: Double?) -> String {
    guard let value else { return unknown }
    // One digit after the point while it says something.
    let tenths = Int64(saturating: (value * 10).rounded())
    if value > 0, tenths == 0 { return "<0.1" }
    return tenths < 1_000 ? "\(tenths / 10).\(tenths % 10)" : Progress.grouped(Int64(saturating: value.rounded()))
  }

  fileprivate static func count(_ value: Double) -> String { Progress.grouped(Int64(saturating: value.rounded())) }

  fileprivate static func time(_ percentile: MetricsChange.Percentile?) -> String {
    percentile.map { "\($0.isBeyond ? ">" : "")\(time($0.value))" } ?? unknown
  }

  fileprivate static func time(_ seconds: Double) -> String {
    let micros = Int64(saturating: (seconds * 1e6).rounded())
    switch micros {
    case ..<1: return "0s"
    case ..<100_000: return "\(micros / 1_000).\(micros / 100 % 10)ms"
    case ..<1_000_000: return "\(micros / 1_000)ms"
    case ..<100_000_000: return "\(micros / 1_000_000).\(micros / 100_000 % 10)s"
    default: return longTime(micros / 1_000_000)
    }
  }

  private static func longTime(_ seconds: Int64) -> String {
    switch seconds {
    case ..<3_600: "\(seconds / 60)m\(seconds % 60)s"
    case ..<86_400: "\(seconds / 3_600)h\(seconds / 60 % 60)m"
    default: "\(seconds / 86_400)d\(seconds / 3_600 % 24)h"
    }
  }

  fileprivate static func left(_ text: String, _ width: Int) -> String { Usage.pad(text, width) + " " }

  fileprivate static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}

/// A row of the tables of work.
private struct Row {
  let text: String

  init(
    _ name: String, _ rate: String, _ median: String, _ slow: String, _ fourth: String = "", _ rest: String = "",
    width: Int = 17
  ) {
    let left = TopPage.left(name, width) + TopPage.right(rate, 8) + TopPage.right(median, 7) + TopPage.right(slow, 7)
    text = left + (fourth.isEmpty ? "" : TopPage.right(fourth, 9)) + (rest.isEmpty ? "" : TopPage.right(rest, 8))
  }
}
