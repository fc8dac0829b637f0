internal import Admin
internal import Logger
internal import TLS
internal import Values

/// A certificate by which a program says to a server who it is. The client reads its file at the start and keeps it: a
/// new file is used after a restart.
public struct ClientCertificate: Sendable {
  /// How long before its end a start warns of it; `paysaga doctor` and PaysagaCertificateEnds do the same.
  private static let warningTime = Duration.seconds(14 * 86_400)

  /// Whom it is shown to, for metrics and readiness checks.
  let server: String
  /// Names its file.
  let setting: String
  /// Seconds since 1970; nil where no certificate could be read.
  let end: Int64?

  private init(for server: String, setting: String, end: Int64?) {
    self.server = server
    self.setting = setting
    self.end = end
  }

  /// Reads a file, which blocks.
  /// - Parameters:
  ///   - server: whom it is shown to: letters and underscores.
  ///   - setting: names the file.
  ///   - file: a path; its first certificate in PEM counts.
  public init(for server: String, setting: String, file: String) {
    self.init(for: server, setting: setting, end: CertificateFile.end(at: file))
  }

  /// The one that librdkafka shows to brokers. Blocks.
  /// - Parameter properties: librdkafka's, by name.
  /// - Returns: nil without TLS, and where they name no certificate in PEM: a keystore (`ssl.keystore.location`) is not
  ///   looked into.
  public static func kafka(_ properties: [String: String]) -> ClientCertificate? {
    guard let transport = properties["security.protocol"], transport.lowercased().hasSuffix("ssl") else { return nil }
    if let file = properties["ssl.certificate.location"], !file.isEmpty {
      return ClientCertificate(for: "kafka", setting: "KAFKA_SSL_CERTIFICATE_LOCATION", file: file)
    }
    guard let text = properties["ssl.certificate.pem"], !text.isEmpty else { return nil }
    return ClientCertificate(
      for: "kafka", setting: "KAFKA_SSL_CERTIFICATE_PEM", end: CertificateFile.end(ofPEM: text))
  }

  /// The readiness check `certificate_SERVER`, which fails from the end on.
  var check: ReadinessReport.Check { term.check("certificate_\(server)", at: .now()) }

  /// Logs that it has ended or ends soon, where it does.
  func warn(_ logger: Logger) { term.warn(logger, setting: setting, at: .now()) }

  private var term: CertificateTerm {
    CertificateTerm(endSeconds: end, warningTime: Self.warningTime, of: .client)
  }
}
