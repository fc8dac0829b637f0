internal import Logger
internal import SagaAPI
internal import Settings

/// From `SERVER_ROLES` to what callers may do.
enum RoleSettings {
  private static let setting = "SERVER_ROLES"

  /// Reads the file; blocks.
  /// - Returns: nil without a file: every caller may do everything.
  /// - Throws: `SettingsError` for a file that cannot be used.
  static func roles(_ path: String) throws(SettingsError) -> CallerRoles? {
    if path.isEmpty { return nil }
    let text = try SettingsFile.text(path, of: setting, limit: 1 << 20)
    do throws(CallerRolesFault) {
      return try CallerRoles(text)
    } catch {
      throw SettingsError(.invalidValue, setting: setting, "\(setting): \(path) \(error)")
    }
  }

  /// Reads the file again; what cannot be used leaves everything as it was, and is logged.
  static func reload(_ check: CallerRoleCheck, _ path: String, _ logger: Logger) {
    do throws(SettingsError) {
      guard let roles = try roles(path) else { return }
      check.change(roles)
      logger.info("SIGHUP: the callers' roles were read again")
    } catch {
      logger.error("SIGHUP: the callers' roles stay as they were", ["error": .error(error)])
    }
  }
}
