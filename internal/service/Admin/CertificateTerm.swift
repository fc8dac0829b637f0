public import Logger
public import Values

/// How long a server's certificate is still good: clients refuse it from its end on, without a word in our log.
public struct CertificateTerm: Sendable, Hashable {
  /// The end; nil where the certificate has none that can be read.
  public let end: Timestamp?
  /// From how long before the end on it is warned of.
  public let warningTime: Duration

  /// - Parameters:
  ///   - endSeconds: the certificate's end, seconds since 1970; nil where it is unknown.
  ///   - warningTime: from how long before the end on it is warned of.
  public init(endSeconds: Int64?, warningTime: Duration) {
    end = endSeconds.map { Timestamp(microseconds: $0.multiplied(saturating: 1_000_000)) }
    self.warningTime = warningTime
  }

  /// What is to be said of it now; nil while nothing is.
  public func warning(at now: Timestamp) -> String? {
    guard let end, now + warningTime >= end else { return nil }
    return now >= end
      ? "the certificate ended, and clients refuse it: put a new one in place"
      : "the certificate ends soon: put a new one in place"
  }

  /// The readiness check `certificate`, which fails from the end on.
  public func check(at now: Timestamp) -> ReadinessReport.Check {
    guard let end else { return ReadinessReport.Check("certificate", isReady: true, detail: "its end is unknown") }
    return ReadinessReport.Check(
      "certificate", isReady: now < end, detail: now < end ? "ends \(end)" : "ended \(end); clients refuse it")
  }

  /// Logs the warning, where there is one.
  /// - Parameter setting: names the certificate's file.
  public func warn(_ logger: Logger, setting: String, at now: Timestamp) {
    guard let warning = warning(at: now), let end else { return }
    logger.warning(warning, ["setting": .string(setting), "certificate_end": .describing(end)])
  }
}
