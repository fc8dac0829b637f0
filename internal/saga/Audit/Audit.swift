internal import Errors
public import Kafka
public import Logger
public import Postgres
public import Values

/// Compares a topic with the tables.
///
/// The order in which things are looked at makes a running system raise no false alarm:
/// 1. The high watermarks are noted. Every message below them was published from an event that had been committed.
/// 2. The tables are read in one snapshot. So a message below the marks has its event in it, unless its day was dropped
///    by the retention; a message at or above them may belong to an event that came after the snapshot, and is only
///    counted when no table has it.
/// 3. The high watermarks are noted again, and the topic is read up to there. An event that is DONE in the snapshot had
///    been acknowledged by the broker before, so its message lies below these marks. One in WAIT may lie there or not.
public struct Audit: Sendable {
  /// The scope of an audit.
  public struct Request: Sendable {
    /// The topic of the events.
    public var topic: String
    /// Events and messages from then on; nil for all.
    public var since: Timestamp?
    /// Maximum number of offenders of each kind in the report.
    public var limit: Int
    /// Whether payments are compared with the events of this topic.
    public var checksPayments: Bool
    /// Events of other outboxes on this topic, which are not looked for.
    public var others: Set<UniqueID> = []

    /// - Parameters:
    ///   - since: leaves out what is older; nil for nothing.
    ///   - limit: the number of offenders of each kind in the report.
    public init(topic: String, since: Timestamp? = nil, limit: Int = 10, checksPayments: Bool = true) {
      self.topic = topic
      self.since = since
      self.limit = limit
      self.checksPayments = checksPayments
    }
  }

  /// Progress, in rows and messages.
  public struct Step: Sendable {
    /// Rows and messages done.
    public var done: Int64
    /// Total, as far as it is known.
    public var total: Int64
  }

  private let request: Request
  private let database: DatabaseConfiguration
  private let kafka: KafkaConfiguration
  private let logger: Logger
  private let kafkaLogger: Logger

  /// - Parameters:
  ///   - logger: logs the audit's own progress.
  ///   - kafkaLogger: logs what librdkafka says.
  public init(
    _ request: Request, database: DatabaseConfiguration, kafka: KafkaConfiguration, logger: Logger, kafkaLogger: Logger
  ) {
    self.request = request
    self.database = database
    self.kafka = kafka
    self.logger = logger
    self.kafkaLogger = kafkaLogger
  }

  /// Makes the audit on the calling thread. Takes about 130 bytes of memory an event.
  /// - Parameters:
  ///   - partitions: how many the topic has.
  ///   - onStep: called often; what it throws ends the audit.
  /// - Throws: `AuditError`, `DatabaseError`, `KafkaError`.
  public func run(partitions: Int, onStep: (Step) throws -> Void) throws -> AuditReport {
    let topic = try TopicReader(kafka, topic: request.topic, partitions: partitions, logger: kafkaLogger)
    defer { topic.close() }
    let before = try topic.watermarks()
    let connection = try Connection.open(database, logger: logger)
    defer { connection.close() }
    let tables = try TableReader(connection, topic: request.topic, withPayments: request.checksPayments)
    let after = try topic.watermarks()
    let starts = topic.starts(before, since: request.since)

    var ledger = AuditLedger(
      scope: AuditLedger.Scope(
        since: request.since?.microseconds ?? .min, keptSince: tables.keptSince, marksBefore: before.map(\.high),
        checksPayments: request.checksPayments, limit: request.limit, replays: tables.replays,
        others: request.others),
      expected: tables.expected, starts: starts)
    let messages = zip(starts, after).reduce(Int64(0)) { sum, partition in
      sum.adding(saturating: max(0, partition.1.high.subtracting(saturating: partition.0.offset)))
    }
    let rows = Int64(tables.expected).adding(saturating: Int64(tables.expectedPayments))
    var step = Step(done: 0, total: max(1, rows.adding(saturating: messages)))
    func advance(_ count: Int) throws {
      step.done = min(step.total, step.done.adding(saturating: Int64(count)))
      try onStep(step)
    }
    try tables.events(into: &ledger, onPage: advance)
    if request.checksPayments { try tables.payments(into: &ledger, onPage: advance) }
    try tables.close()
    connection.close()
    try topic.read(from: starts.map(\.offset), to: after.map(\.high), onProgress: advance) { record in
      ledger.take(
        partition: record.partition, offset: record.offset, timestamp: record.timestamp, key: record.key,
        value: record.value, identity: record.headers[0], sequence: record.headers[1])
    }
    return ledger.finish()
  }
}
