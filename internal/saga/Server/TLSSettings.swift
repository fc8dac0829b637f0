internal import Admin
internal import Errors
internal import Logger
internal import SagaSettings
internal import Settings
internal import TLS
internal import Values

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
      let setting = setting(of: error, settings)
      throw SettingsError(.invalidValue, setting: setting?.name, explain(error, settings))
    }
  }

  /// How long the certificate is still good; nil when the API is served in clear.
  static func term(_ context: TLSServerContext?, _ settings: SagaSettings.Server.TLS) -> CertificateTerm? {
    context.map {
      CertificateTerm(endSeconds: $0.certificateEnd, warningTime: .seconds(86_400 * settings.warningDays))
    }
  }

  /// Reads the files again; what cannot be used leaves everything as it was, and is logged.
  static func reload(_ context: TLSServerContext?, _ settings: SagaSettings.Server.TLS, _ logger: Logger) {
    guard let context else { return logger.info("SIGHUP: nothing to reload, the API is served in clear") }
    do throws(TLSError) {
      try context.reload()
      let end = term(context, settings)?.end
      logger.info(
        "SIGHUP: certificate, key and authorities were read again",
        ["certificate_end": .string(end?.description ?? "unknown")])
      term(context, settings)?.warn(logger, setting: "SERVER_TLS_CERT", at: .now())
    } catch {
      logger.error(
        "SIGHUP: TLS goes on with the files read before", ["reason": .string(explain(error, settings))])
    }
  }

  private static func explain(_ error: TLSError, _ settings: SagaSettings.Server.TLS) -> String {
    setting(of: error, settings).map { "\($0.name)=\($0.value): \(error)" } ?? error.description
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
