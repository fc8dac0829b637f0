internal import Errors
internal import Logger
internal import SagaSettings
internal import Service
internal import Settings
internal import TLS

/// From the settings of TLS to what serves it, with errors that name the setting.
enum TLSSettings {
  /// - Returns: nil when the API is served in clear.
  /// - Throws: `SettingsError` for a file that cannot be used.
  static func context(_ settings: SagaSettings.Server.TLS) throws(SettingsError) -> TLSServerContext? {
    guard settings.isEnabled else { return nil }
    let files = TLSIdentityFiles(certificate: settings.certificate, key: settings.key)
    let clients =
      settings.clientAuthorities.isEmpty
      ? nil
      : TLSClients(
        authorities: settings.clientAuthorities, revocations: settings.revocations.isEmpty ? nil : settings.revocations)
    do throws(TLSError) {
      return try TLSServerContext(files, clients: clients, sessionContext: "paysaga")
    } catch {
      throw refusal(error, settings)
    }
  }

  /// Reads the files of a context again, and watches over its certificate.
  static func watch(
    _ context: TLSServerContext, _ settings: SagaSettings.Server.TLS, _ logger: Logger
  ) -> CertificateWatch {
    CertificateWatch(
      setting: "SERVER_TLS_CERT",
      files: [settings.certificate, settings.key, settings.clientAuthorities, settings.revocations]
        .filter { !$0.isEmpty },
      warningTime: .seconds(86_400 * settings.warningDays), logger: logger
    ) {
      context.certificateEnd
    } read: { () throws(SettingsError) in
      do throws(TLSError) { try context.reload() } catch { throw refusal(error, settings) }
    }
  }

  private static func refusal(_ error: TLSError, _ settings: SagaSettings.Server.TLS) -> SettingsError {
    let setting = setting(of: error, settings)
    return SettingsError(
      .invalidValue, setting: setting?.name, setting.map { "\($0.name)=\($0.value): \(error)" } ?? error.description)
  }

  /// The setting whose file an error is about.
  private static func setting(
    of error: TLSError, _ settings: SagaSettings.Server.TLS
  ) -> (name: String, value: String)? {
    switch error.code {
    case .certificate: ("SERVER_TLS_CERT", settings.certificate)
    case .key: ("SERVER_TLS_KEY", settings.key)
    case .authorities: ("SERVER_TLS_CLIENT_CA", settings.clientAuthorities)
    case .revocations: ("SERVER_TLS_CRL", settings.revocations)
    case .handshake, .connection, .outOfMemory: nil
    }
  }
}
