internal import Glibc

/// A file that a setting names.
public enum SettingsFile {
  /// The text of a small file. Blocks.
  /// - Parameters:
  ///   - setting: names the file, for messages.
  ///   - limit: the longest file that is read, in bytes.
  /// - Throws: `.invalidValue` for a file that others than its owner may write to, that cannot be read, or that is no
  ///   UTF-8.
  public static func text(_ path: String, of setting: String, limit: Int) throws(SettingsError) -> String {
    var found = stat()
    guard stat(path, &found) == 0, let bytes = bytes(path, limit: limit),
      let text = String(validating: bytes, as: UTF8.self)
    else {
      throw SettingsError(
        .invalidValue, setting: setting,
        "\(setting): \(path) must be a file that this user may read, with UTF-8 text of at most \(limit) bytes")
    }
    guard found.st_mode & 0o022 == 0 else {
      throw SettingsError(.invalidValue, setting: setting, "\(setting): others may change \(path): chmod go-w it")
    }
    return text
  }

  /// nil for a file that cannot be read or is longer.
  static func bytes(_ path: String, limit: Int) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: limit + 1)
    var count = 0
    while count < bytes.count {
      let got = bytes.withUnsafeMutableBytes { buffer in
        read(descriptor, buffer.baseAddress.map { $0 + count }, buffer.count - count)
      }
      if got < 0 { return nil }
      if got == 0 { break }
      count += got
    }
    return count <= limit ? Array(bytes.prefix(count)) : nil
  }
}
