public import Logger
public import Values

/// How long a certificate is still good: the other side refuses it from its end on, without a word in our log.
public struct CertificateTerm: Sendable, Hashable {
  /// Whose certificate it is.
  public enum Side: Sendable, Hashable {
    /// A server of ours shows it to clients, and takes a new file without a restart.
    case server
    /// A client of ours shows it to servers, and has read its file at the start.
    case client
  }

  /// The end; nil where the certificate has none that can be read.
  public let end: Timestamp?
  /// From how long before the end on it is warned of.
  public let warningTime: Duration
  private let side: Side

  /// - Parameters:
  ///   - endSeconds: the certificate's end, seconds since 1970; nil where it is unknown.
  ///   - warningTime: from how long before the end on it is warned of.
  public init(endSeconds: Int64?, warningTime: Duration, of side: Side = .server) {
    end = endSeconds.map { Timestamp(microseconds: $0.multiplied(saturating: 1_000_000)) }
    self.warningTime = warningTime
    self.side = side
  }

  /// What is to be said of it now; nil while nothing is.
  public func warning(at now: Timestamp) -> String? {
    guard let end, now + warningTime >= end else { return nil }
    return now >= end
      ? "the certificate ended, and \(others) refuse it: \(remedy)" : "the certificate ends soon: \(remedy)"
  }

  /// The readiness check, which fails from the end on.
  public func check(_ name: String = "certificate", at now: Timestamp) -> ReadinessReport.Check {
    guard let end else { return ReadinessReport.Check(name, isReady: true, detail: "its end is unknown") }
    return ReadinessReport.Check(
      name, isReady: now < end, detail: now < end ? "ends \(end)" : "ended \(end); \(others) refuse it")
  }

  private var others: String { side == .server ? "clients" : "servers" }
  private var remedy: String {
    side == .server ? "put a new one in place" : "put a new one in place and restart the program"
  }

  /// Logs the warning, where there is one.
  /// - Parameter setting: names the certificate's file.
  public func warn(_ logger: Logger, setting: String, at now: Timestamp) {
    guard let warning = warning(at: now), let end else { return }
    logger.warning(warning, ["setting": .string(setting), "certificate_end": .describing(end)])
  }
}
