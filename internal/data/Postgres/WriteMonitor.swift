internal import Errors
public import Logger
public import Runtime
internal import Synchronization
public import Values

/// Whether transactions can be committed, as far as a program has seen: by a probe every few seconds, and by what the
/// sessions of the program were refused meanwhile. Callable on any thread.
public final class WriteMonitor: Sendable {
  private let health = Mutex(WriteHealth())

  /// Writing is taken to work until something says otherwise.
  public init() {}

  /// Why writing does not work, for a readiness report; nil when it does.
  public var problem: String? { health.withLock { $0.problem(now: .now()) } }

  /// A session was refused something, and that is nobody's fault but the database's when its code says so.
  /// - Parameter isOfTables: what else is the fault of the database, because of its tables.
  func refused(_ error: DatabaseError, isOfTables: (DatabaseError) -> Bool) {
    if WriteHealth.isRefusal(error) || isOfTables(error) { health.withLock { $0.refused("\(error)", now: .now()) } }
  }

  func probed(_ error: DatabaseError?) { health.withLock { $0.probed(error) } }
}

/// The rules of a `WriteMonitor`. Pure.
struct WriteHealth {
  /// How long a refusal counts. A probe cannot see everything that a writer may be refused, such as a full disk, so
  /// after that callers may try again.
  static let memory = Duration.seconds(10)

  private var failures = 0
  private var failure: String? = "writing has not been tried yet"
  private var refusals = 0
  private var refusal: (text: String, at: Instant)?

  func problem(now: Instant) -> String? {
    if let failure { return failure }
    guard refusals > 1, let refusal, now - refusal.at < Self.memory else { return nil }
    return refusal.text
  }

  /// One refusal may be an accident; the second within the time they are remembered is not.
  mutating func refused(_ text: String, now: Instant) {
    let isFirst = refusal.map { now - $0.at >= Self.memory } ?? true
    refusals = isFirst ? 1 : refusals + 1
    refusal = (text, now)
  }

  /// What a probe came to. Without a session there is no writing; a probe that took too long may be an accident once.
  mutating func probed(_ error: DatabaseError?) {
    guard let error else {
      failures = 0
      failure = nil
      return
    }
    failures += 1
    if failures > 1 || error.code == .unavailable || failure != nil { failure = "writing does not work: \(error)" }
  }

  /// Whether an error is neither the statement's own fault nor a matter of luck: no room (class 53), a failure of the
  /// system (58, XX), a server that takes no writes, a table, column or right that is missing.
  static func isRefusal(_ error: DatabaseError) -> Bool {
    guard let state = error.sqlState else { return false }
    return ["25006", "42P01", "42703", "42501"].contains(state) || ["53", "58", "XX"].contains { state.hasPrefix($0) }
  }
}

/// Asks every two seconds whether a transaction that would write to some tables can begin and commit, and changes
/// nothing. It finds a server that is away, frozen or read-only, a locked table, and a synchronous standby that nobody
/// hears of.
public final class WriteProbe: ServicePart {
  private let job: PeriodicJob
  private let stopFlag = StopFlag()

  /// How long to wait after a success, and after a failure.
  private static let pauses = (success: Duration.seconds(2), failure: Duration.milliseconds(500))
  /// How long a probe may take, to connect and then to commit.
  private static let patience = Duration.seconds(2)

  /// Starts asking, over a session and a thread of its own.
  /// - Parameter tables: names as they stand in SQL; partitions of a table are not looked at.
  public init(configuration: DatabaseConfiguration, tables: [String], monitor: WriteMonitor, logger: Logger) {
    var configuration = configuration
    configuration.statementTimeout = min(configuration.statementTimeout, Self.patience)
    configuration.parameters["lock_timeout"] = "\(Self.patience.inMilliseconds / 2)ms"
    let names = tables.map { "ONLY \($0)" }.joined(separator: ", ")
    let commands: [Command] = [
      .begin, Command(Statement("LOCK TABLE \(names) IN ROW EXCLUSIVE MODE")),
      Command(Statement("SELECT pg_logical_emit_message(true, 'probe', ''::text)")), .commit,
    ]
    let log = logger.labelled("write-probe")
    let stop = stopFlag
    let connection = Mutex(
      ReconnectingConnection(configuration: configuration, logger: log.atLeast(.error), stop: stop))
    job = PeriodicJob(name: "write-probe") {
      let before = monitor.problem
      let error = connection.withLock { connection -> DatabaseError? in
        do throws(DatabaseError) {
          try connection.connected(until: .now() + Self.patience).run(commands)
          return nil
        } catch {
          return error
        }
      }
      if error?.code == .closed { return Self.pauses.failure }
      monitor.probed(error)
      let now = monitor.problem
      if let now, before == nil { log.warning("writing does not work", ["reason": .string(now)]) }
      if before != nil, now == nil { log.info("writing works") }
      return error == nil ? Self.pauses.success : Self.pauses.failure
    }
    job.start()
  }

  /// Ends the thread and the session.
  public func stop(until deadline: Instant = .distantFuture) {
    stopFlag.stop()
    job.stop(until: deadline)
  }
}
