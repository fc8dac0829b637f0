internal import Glibc

/// A file that holds a secret: a private key or a token.
public enum SecretFile {
  /// The longest file that is read, in bytes.
  static let maximumBytes = 64 << 10

  /// What is wrong with the file's mode; nil when nothing is, or there is no such file, which its reader will tell.
  ///
  /// Other users may do nothing with it, and its group may not write: it may read, as that of a pod's volume does in
  /// Kubernetes. Blocks.
  public static func problem(_ path: String) -> String? {
    var found = stat()
    guard stat(path, &found) == 0 else { return nil }
    if found.st_mode & 0o007 != 0 { return "every user may read \(path) or change it: chmod o= it" }
    if found.st_mode & 0o020 != 0 { return "its group may change \(path): chmod g-w it" }
    return nil
  }

  /// The bytes of a token: the file's without white space around them. Blocks.
  /// - Parameters:
  ///   - setting: names the file, for messages.
  ///   - shortest: bytes of the shortest token.
  /// - Throws: `.invalidValue` for a file with a wrong mode, that cannot be read, or whose token is none.
  public static func token(
    _ path: String, of setting: String, shortest: Int
  ) throws(SettingsError) -> [UInt8] {
    if let problem = problem(path) { throw SettingsError(.invalidValue, setting: setting, "\(setting): \(problem)") }
    guard let bytes = SettingsFile.bytes(path, limit: maximumBytes) else {
      throw SettingsError(.invalidValue, setting: setting, "\(setting): \(path) cannot be read; is it there?")
    }
    let isSpace = { (byte: UInt8) in byte == 0x20 || (0x09...0x0D).contains(byte) }
    let token = Array(bytes.drop(while: isSpace).reversed().drop(while: isSpace).reversed())
    guard token.count >= shortest, token.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw SettingsError(
        .invalidValue, setting: setting,
        "\(setting): expected \(path) to hold at least \(shortest) visible ASCII characters without a space")
    }
    return token
  }
}
