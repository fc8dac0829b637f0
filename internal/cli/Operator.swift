import FoundationEssentials
import Glibc

/// Who runs a command, for the log of operations.
enum Operator {
  static let option = Option(
    "--operator", "NAME", "who does it, for the log of operations; default: the user and the name of this machine")
  private static let longestName = 255

  /// The user's name, by the system's table.
  static var user: String {
    guard let entry = getpwuid(getuid()), let name = entry.pointee.pw_name else { return "uid \(getuid())" }
    return String(cString: name)
  }

  static func name(_ arguments: Arguments) throws(CommandError) -> String {
    let name = arguments.text("--operator") ?? "\(user)@\(ProcessInfo.processInfo.hostName)"
    guard (1...longestName).contains(name.utf8.count) else {
      throw .usage("--operator expects 1 to \(longestName) bytes")
    }
    return name
  }
}
