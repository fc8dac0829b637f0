internal import GatewayAPI
internal import GatewayDomain
internal import GatewayStore
internal import Logger
internal import Postgres
internal import Runtime
internal import Synchronization
internal import Values

/// Keeps the API keys in memory, so that a call costs no query and a wrong secret reaches no database. They are read
/// anew when the listener hears that keys have changed, and every few seconds as a net.
final class APIKeyWatch: ServicePart, APIKeyKnowing {
  private static let interval = Duration.seconds(5)
  private static let retryInterval = Duration.seconds(1)

  private let store: APIKeyStore
  private let connection: SerialConnection
  private let logger: Logger
  private let book = Mutex(APIKeyBook())
  private let told = Mutex<Set<UniqueID>>([])
  private let job = Mutex<PeriodicJob?>(nil)

  init(_ store: APIKeyStore, _ connection: SerialConnection, logger: Logger) {
    self.store = store
    self.connection = connection
    self.logger = logger
  }

  func verdict(_ digest: APIKeyDigest) -> APIKeyBook.Verdict {
    let now = Instant.now()
    return book.withLock { $0.verdict(digest, at: now) }
  }

  /// Keys have changed. Callable on any thread.
  func wake() { job.withLock { $0 }?.wake() }

  func start() {
    // The first calls must find the keys.
    _ = read()
    let job = PeriodicJob(name: "api-keys") { [self] in read() }
    self.job.withLock { $0 = job }
    job.start()
  }

  func stop(until deadline: Instant) { job.withLock { $0 }?.stop(until: deadline) }

  /// - Returns: how long to wait before the next time.
  private func read() -> Duration {
    do throws(DatabaseError) {
      let found = try connection.use { [store] connection throws(DatabaseError) in try store.book(on: connection) }
      book.withLock { $0 = found.book }
      complain(found.unreadable)
      return Self.interval
    } catch {
      logger.warning("API keys could not be read; those known are believed for a while", ["error": .error(error)])
      return Self.retryInterval
    }
  }

  private func complain(_ keys: [UniqueID]) {
    let new = told.withLock { told in keys.filter { told.insert($0).inserted } }
    for key in new {
      logger.error("the row of an API key cannot be read; the key opens nothing", ["api_key_id": .describing(key)])
    }
  }
}
