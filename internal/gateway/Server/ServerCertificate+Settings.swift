internal import Errors
internal import GatewaySettings
internal import HTTPServer
internal import Logger
internal import Service
internal import Settings
internal import TLS

extension GatewaySettings.Server {
  /// Reads the files of TLS.
  /// - Returns: nil when `/v1` is served in clear.
  /// - Throws: `SettingsError` for a file that cannot be used.
  func readCertificate() throws(SettingsError) -> ServerCertificate? {
    guard hasTLS else { return nil }
    do throws(HTTPServerError) {
      return try ServerCertificate(TLSIdentityFiles(certificate: certificate, key: key))
    } catch {
      throw refusal(error)
    }
  }

  /// Reads the files of a certificate again, and watches over its end.
  func watch(_ served: ServerCertificate, _ logger: Logger) -> CertificateWatch {
    CertificateWatch(
      setting: "GATEWAY_TLS_CERT", files: [certificate, key], warningTime: .seconds(86_400 * warningDays),
      logger: logger
    ) {
      served.end
    } read: { () throws(SettingsError) in
      do throws(HTTPServerError) { try served.reload() } catch { throw refusal(error) }
    }
  }

  private func refusal(_ error: HTTPServerError) -> SettingsError {
    let (setting, path) = error.code == .key ? ("GATEWAY_TLS_KEY", key) : ("GATEWAY_TLS_CERT", certificate)
    return SettingsError(.invalidValue, setting: setting, "\(setting)=\(path): \(error)")
  }
}
