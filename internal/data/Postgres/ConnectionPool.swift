public import Logger
public import Metrics
public import Runtime
public import Values

/// A fixed number of connections, each on a thread of its own, behind a bounded queue of jobs.
///
/// While the database is away jobs wait until their deadline, workers reconnect with backoff and jitter, and nothing
/// dies. Callable on any thread, except where a function says otherwise.
public final class ConnectionPool: ServicePart {
  /// What a job gets: a connection outside a transaction, or the reason why there is none.
  public typealias Job = @Sendable (Result<Connection, DatabaseError>) -> Void

  private let core: PoolCore
  private let threads: [WorkerThread]
  private let expirer: WorkerThread

  /// Starts connecting at once.
  /// - Parameters:
  ///   - size: how many connections, each with its thread.
  ///   - queueLimit: how many jobs may wait for one of them.
  ///   - name: the `pool` label of the metrics and the threads' name.
  public init(
    configuration: DatabaseConfiguration, size: Int, queueLimit: Int, name: String, logger: Logger,
    metrics: MetricsRegistry
  ) {
    precondition(size > 0 && queueLimit > 0, "a pool has at least one connection and room for one job")
    let core = PoolCore(
      configuration: configuration, size: size, queueLimit: queueLimit, name: name, logger: logger, metrics: metrics)
    self.core = core
    threads = (0..<size).map { index in
      WorkerThread(name: "db-\(name)-\(index)") { PoolWorker(core: core, index: index).run() }
    }
    expirer = WorkerThread(name: "db-\(name)-exp") { core.expireUntilStopped() }
  }

  /// Runs `body` with a connection on one of the pool's threads, where it may block.
  ///
  /// A transaction that `body` leaves open is rolled back.
  /// - Parameter deadline: until when the job may wait to be started; once started, `statementTimeout` holds.
  /// - Throws: what `body` throws; `.unavailable` after the deadline, `.overloaded` at once when the queue is full,
  ///   `.closed` after `stop`.
  @discardableResult
  public func withConnection<T: Sendable>(
    deadline: Instant, _ body: @escaping @Sendable (Connection) throws(DatabaseError) -> T
  ) async throws(DatabaseError) -> T {
    let result = await withUnsafeContinuation {
      (continuation: UnsafeContinuation<Result<T, DatabaseError>, Never>) in
      submit(deadline: deadline) { connection in
        continuation.resume(
          returning: connection.flatMap { connection in
            do throws(DatabaseError) {
              return .success(try body(connection))
            } catch {
              return .failure(error)
            }
          })
      }
    }
    return try result.get()
  }

  /// Has `job` called exactly once: on one of the pool's threads with a connection, or with an error, then perhaps on
  /// the calling thread before this returns.
  /// - Parameter deadline: until when the job may wait to be started.
  public func submit(deadline: Instant = .distantFuture, _ job: @escaping Job) {
    core.submit(PoolCore.Queue.Waiting(deadline: deadline, job: job))
  }

  /// Whether at least one connection lives; an idle one that the server dropped is noticed within a second.
  public var isHealthy: Bool { core.connectedCount > 0 }

  /// Whether jobs wait for a connection, as all are busy or away.
  public var hasWaitingJobs: Bool { core.waitingCount > 0 }

  /// The state on one line, for a readiness report: `3 of 4 connections, 0 jobs waiting`.
  public var stateDescription: String { core.stateDescription }

  /// Takes no more jobs, lets those that wait finish, and closes the connections. Jobs that wait while the database is
  /// away fail with `.unavailable`.
  ///
  /// Blocks the calling thread, so not for a task's thread.
  public func stop(until deadline: Instant = .distantFuture) {
    core.close()
    for thread in threads { thread.join() }
    core.failRemaining()
    core.stop.stop()
    core.expiryChanged.notify()
    expirer.join()
  }

  deinit {
    core.close()
    core.stop.stop()
    core.expiryChanged.notify()
  }
}
