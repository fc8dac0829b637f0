internal import Admin
internal import Errors
internal import GatewaySettings
internal import Settings
internal import TLS

extension GatewaySettings.Server {
  /// How long the certificate is still good; nil when `/v1` is served in clear. Blocks.
  /// - Throws: `SettingsError` for a file that cannot be used.
  func certificateTerm() throws(SettingsError) -> CertificateTerm? {
    guard hasTLS else { return nil }
    do throws(TLSError) {
      let identity = try TLSServerContext(TLSIdentityFiles(certificate: certificate, key: key))
      return CertificateTerm(endSeconds: identity.certificateEnd, warningTime: .seconds(86_400 * warningDays))
    } catch {
      let (setting, path) = error.code == .key ? ("GATEWAY_TLS_KEY", key) : ("GATEWAY_TLS_CERT", certificate)
      throw SettingsError(.invalidValue, setting: setting, "\(setting)=\(path): \(error)")
    }
  }
}
