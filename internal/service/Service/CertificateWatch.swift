public import Admin
internal import Glibc
public import Logger
public import Runtime
public import Settings
internal import Synchronization
public import Values

/// Reads the files of a server's TLS again, at SIGHUP and when they have changed, and says how long its certificate is
/// still good. Callable on any thread.
public final class CertificateWatch: ServicePart {
  private static let interval = Duration.seconds(5)

  private let setting: String
  private let files: [String]
  private let warningTime: Duration
  private let logger: Logger
  private let end: @Sendable () -> Int64?
  private let read: @Sendable () throws(SettingsError) -> Void
  private let changes: Mutex<FileChanges<[FileState?]>>
  private let job = Mutex<PeriodicJob?>(nil)

  /// - Parameters:
  ///   - setting: names the certificate's file.
  ///   - files: all files that `read` reads; they have just been read.
  ///   - warningTime: from how long before its end on the certificate is warned of.
  ///   - end: of the certificate that is in force, seconds since 1970.
  ///   - read: reads the files again; where it throws, those read before stay in force.
  public init(
    setting: String, files: [String], warningTime: Duration, logger: Logger, end: @escaping @Sendable () -> Int64?,
    read: @escaping @Sendable () throws(SettingsError) -> Void
  ) {
    self.setting = setting
    self.files = files
    self.warningTime = warningTime
    self.logger = logger
    self.end = end
    self.read = read
    changes = Mutex(FileChanges(files.map { FileState($0) }))
  }

  /// The readiness check `certificate`.
  public var check: ReadinessReport.Check { term.check(at: .now()) }

  /// Logs that the certificate has ended or ends soon, where it does.
  public func warn() { term.warn(logger, setting: setting, at: .now()) }

  /// Reads the files because of a SIGHUP.
  public func reload() {
    changes.withLock { $0.wereRead(state) }
    read(because: "SIGHUP")
  }

  /// Begins to look at the files.
  public func start() {
    let job = PeriodicJob(name: "tls-files") { [self] in
      let haveChanged = changes.withLock { $0.look(state) }
      if haveChanged { read(because: "the files changed") }
      return Self.interval
    }
    self.job.withLock { $0 = job }
    job.start()
  }

  /// Looks no more.
  public func stop(until deadline: Instant) { job.withLock { $0 }?.stop(until: deadline) }

  private var term: CertificateTerm { CertificateTerm(endSeconds: end(), warningTime: warningTime) }

  private var state: [FileState?] { files.map { FileState($0) } }

  private func read(because reason: String) {
    do throws(SettingsError) {
      try read()
      logger.info(
        "\(reason): the files of TLS were read again",
        ["certificate_end": .string(term.end?.description ?? "unknown")])
      warn()
    } catch {
      logger.error("\(reason): TLS goes on with the files read before", ["error": .error(error)])
    }
  }
}

/// What shows that a file, or where a link leads to, was changed.
private struct FileState: Equatable {
  private let device: UInt
  private let number: UInt
  private let size: Int
  private let seconds: Int
  private let nanoseconds: Int

  /// Nil where there is no such file.
  init?(_ path: String) {
    var found = stat()
    guard stat(path, &found) == 0 else { return nil }
    (device, number, size) = (UInt(found.st_dev), UInt(found.st_ino), Int(found.st_size))
    (seconds, nanoseconds) = (found.st_mtim.tv_sec, found.st_mtim.tv_nsec)
  }
}
