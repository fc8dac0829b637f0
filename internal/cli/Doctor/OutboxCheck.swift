import Outbox
import Postgres
import Settings
import Values

/// What is wrong with an outbox.
struct OutboxCheck {
  /// A healthy outbox publishes within milliseconds.
  private static let longestWait = Duration.seconds(60)

  private static let tomorrow = Statement(
    "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC' + interval '1 day', '_YYYYMMDD')", isReadOnly: true)

  let outbox: OutboxChoice
  let session: Session

  /// - Returns: nil where its tables are not there.
  func run() throws -> (facts: Record, findings: [Finding])? {
    let connection = try outbox.open(session)
    defer { connection.close() }
    guard try connection.hasTable(outbox.tables.wait) else { return nil }
    let tomorrow = try connection.run(Command(Self.tomorrow)).only.text(0)
    let inspection = outbox.inspection(session)
    let status = try inspection.status(on: connection)
    let subject = "outbox of \(outbox.name.rawValue)"
    let option = outbox.name == .saga ? "" : " --outbox \(outbox.name.rawValue)"
    var findings: [Finding] = []
    if try !connection.hasTable(outbox.tables.done + tomorrow) {
      findings.append(
        Finding(
          subject, "there is no table for the events published tomorrow",
          "run a program with cron jobs whose role owns the tables: docs/operations.md, Roles"))
    }
    if status.dead > 0 {
      findings.append(
        Finding(
          subject, "\(status.dead) events are dead",
          "paysaga outbox list --status DEAD\(option); mend the cause, then paysaga outbox requeue\(option)"))
    }
    for reason in WaitReason.allCases where reason.isBlocking {
      guard let count = status.reasons[reason], count > 0 else { continue }
      findings.append(
        Finding(
          subject, "\(count) events wait: \(reason.rawValue)",
          "paysaga outbox status --help has what to do; paysaga outbox list\(option) names them"))
    }
    for paused in try inspection.pausedTopics(on: connection) {
      findings.append(
        Finding(
          subject, "topic \(paused.topic) is paused since \(paused.since)",
          "paysaga outbox resume \(paused.topic)\(option), once its reason is gone"))
    }
    if findings.isEmpty, status.age > Self.longestWait {
      findings.append(
        Finding(
          subject, "the oldest event waits for \(DurationText.format(status.age))",
          "is the relay behind? See paysaga_outbox_in_memory_events, and sizing"))
    }
    for holding in try inspection.holdings(on: connection) {
      guard let owner = holding.owner, let obstacle = holding.obstacle else { continue }
      findings.append(
        Finding(subject, "relay \(owner) cannot publish: \(obstacle)", "docs/operations.md, Kafka refuses"))
    }
    return (
      [
        "checked": .text(subject), "waiting": .number(Int64(status.waiting)), "dead": .number(Int64(status.dead)),
        "age_ms": .number(status.age.inMilliseconds),
      ], findings
    )
  }
}
