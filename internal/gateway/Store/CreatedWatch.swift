internal import Errors
internal import GatewayDomain
public import Logger
public import Metrics
public import Postgres
public import Runtime
internal import Synchronization
public import Values

/// Watches for payments that nobody claims, as when their instruction was buried: the metric
/// `gateway_oldest_created_seconds`. On a thread of its own.
///
/// After a start the payments of the last day are looked at first: those before were seen by whoever ran then.
public final class CreatedWatch: ServicePart {
  private static let interval = Duration.seconds(5)
  /// How soon the next payments are looked at while there are more, as after a start.
  private static let busyInterval = Duration.milliseconds(200)
  /// Payments that are looked at in one statement.
  private static let pageSize = 2_000
  /// How old the payments are at most that are looked at first.
  private static let recent = Duration.seconds(-86_400)
  /// How old a payment has to be.
  private static let youngest = Duration.seconds(-60)

  private let connection: SerialConnection
  private let obstacle: Mutex<ObstacleLog>
  private let next: Statement
  private let again: Statement
  private struct Books {
    var recent: CreatedBook
    var older = CreatedBook()
    /// The age of the oldest one among these.
    var oldest = 0.0
    /// Where the recent ones begin.
    let border: UniqueID
  }
  private let books = Mutex<Books?>(nil)
  private let oldest = Mutex<Double>(0)
  private let job = Mutex<PeriodicJob?>(nil)

  /// - Parameter connection: with index plans only; others may use it, too.
  public init(_ t: GatewayTables, _ connection: SerialConnection, logger: Logger, metrics: MetricsRegistry) {
    self.connection = connection
    obstacle = Mutex(
      ObstacleLog("payments that nobody claims are not looked for", logger.labelled("created-watch")))
    next = Statement(
      "SELECT id, state = 'CREATED' AS is_created FROM \(t.payment) WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3",
      isReadOnly: true)
    again = Statement(
      """
      SELECT id, extract(epoch FROM clock_timestamp() - created_at)::float8 AS age FROM \(t.payment)
      WHERE id = ANY ($1) AND state = 'CREATED'
      """, isReadOnly: true)
    metrics.gauge(
      "gateway_oldest_created_seconds",
      help: "Age of the oldest payment that nobody has claimed; 0 while none is older than a minute."
    ) { [weak self] in self?.oldest.withLock(\.self) }
  }

  /// Starts the thread.
  public func start() {
    let job = PeriodicJob(name: "created-watch") { [self] in run() }
    self.job.withLock { $0 = job }
    job.start()
  }

  /// Ends the thread.
  public func stop(until deadline: Instant) {
    job.withLock { $0.take() }?.stop(until: deadline)
  }

  private func run() -> Duration {
    do throws(DatabaseError) {
      let hasMore = try connection.use { [self] connection throws(DatabaseError) in
        try look(now: .now(), on: connection)
      }
      obstacle.withLock { $0.note(nil, at: .now()) }
      return hasMore ? Self.busyInterval : Self.interval
    } catch {
      obstacle.withLock { $0.note(error: error, at: .now()) }
      return Self.interval
    }
  }

  /// One look: at those that were CREATED, and at the next page.
  /// - Parameter now: by the clock that ids are made by.
  /// - Returns: whether there is more to look at.
  func look(now: Timestamp, on connection: Connection) throws(DatabaseError) -> Bool {
    let border = UniqueID.lowest(at: now + Self.recent)
    var books = books.withLock(\.self) ?? Books(recent: CreatedBook(from: border), border: border)
    var (hasMore, oldest) = try look(&books.recent, below: .lowest(at: now + Self.youngest), on: connection)
    if !hasMore { (hasMore, books.oldest) = try look(&books.older, below: books.border, on: connection) }
    oldest = max(oldest, books.oldest)
    self.oldest.withLock { $0 = oldest }
    self.books.withLock { $0 = books }
    return hasMore
  }

  private func look(
    _ book: inout CreatedBook, below end: UniqueID, on connection: Connection
  ) throws(DatabaseError) -> (hasMore: Bool, oldest: Double) {
    let page = try connection.run(
      Command(next, [.uuid(book.last), .uuid(end), .int64(Int64(Self.pageSize))]))
    var payments: [(id: UniqueID, isCreated: Bool)] = []
    for row in page {
      payments.append((try row.uuid(PageColumn.id), try row.bool(PageColumn.isCreated)))
    }
    book.looked(payments)
    var oldest = 0.0
    var created: Set<UniqueID> = []
    if !book.open.isEmpty {
      for row in try connection.run(Command(again, [.uuidArray(book.open.sorted())])) {
        created.insert(try row.uuid(AgainColumn.id))
        oldest = max(oldest, try row.double(AgainColumn.age))
      }
    }
    book.remembered(created)
    return (payments.count == Self.pageSize && book.hasRoom, oldest)
  }

  /// What the metric says.
  var oldestSeconds: Double { oldest.withLock(\.self) }

  private enum PageColumn: Int, AnswerColumn { case id, isCreated }
  private enum AgainColumn: Int, AnswerColumn { case id, age }
}
