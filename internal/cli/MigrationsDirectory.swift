/// Where the migrations are looked for when nobody says.
enum MigrationsDirectory {
  /// The candidates in order: `migrations` in the working directory, then, from the executable's folder upwards,
  /// `migrations` (a checkout) and `share/paysaga/migrations` (an installation).
  static func candidates(workingDirectory: String, executable: String) -> [String] {
    var found = [join(workingDirectory, "migrations")]
    var folder = parent(of: executable)
    while let current = folder {
      found += [join(current, "migrations"), join(current, "share/paysaga/migrations")]
      folder = current == "/" ? nil : parent(of: current)
    }
    return found
  }

  private static func join(_ folder: String, _ name: String) -> String {
    folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
  }

  /// nil for what is no absolute path.
  private static func parent(of path: String) -> String? {
    guard path.hasPrefix("/"), let slash = path.lastIndex(of: "/") else { return nil }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
