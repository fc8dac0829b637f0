internal import Glibc

extension MigrationSet {
  /// A migration file is at most this long.
  private static let maximumFileSize = 4 << 20

  /// Reads a directory of `NNNN_name.up.sql` and `NNNN_name.down.sql`.
  /// - Throws: `.unreadable`, `.inconsistent`.
  public init(directory: String) throws(MigratorError) {
    try self.init(names: Self.list(directory)) { name throws(MigratorError) in
      try Self.read("\(directory)/\(name)")
    }
  }

  private static func list(_ directory: String) throws(MigratorError) -> [String] {
    guard let stream = opendir(directory) else { throw unreadable(directory) }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      names.append(
        withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
          String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        })
    }
    return names
  }

  private static func read(_ path: String) throws(MigratorError) -> String {
    guard let file = fopen(path, "re") else { throw unreadable(path) }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: maximumFileSize + 1)
    let count = fread(&bytes, 1, bytes.count, file)
    guard ferror(file) == 0 else { throw unreadable(path) }
    guard count <= maximumFileSize else {
      throw MigratorError(.unreadable, "\(path) is longer than \(maximumFileSize) bytes")
    }
    guard let text = String(validating: bytes.prefix(count), as: UTF8.self), !text.utf8.contains(0) else {
      throw MigratorError(.unreadable, "\(path) is not UTF-8 text")
    }
    return text
  }

  private static func unreadable(_ path: String) -> MigratorError {
    MigratorError(.unreadable, "cannot read \(path): \(String(cString: strerror(errno)))")
  }
}
