/// Why a command failed, in one line for people.
struct CommandError: Error, CustomStringConvertible {
  /// The kind of failure; it decides the exit status.
  enum Kind: Sendable {
    /// Whoever typed the command.
    case usage
    /// The world: a server that is away, an order that is not there.
    case failure
    /// The question cannot be answered any more.
    case unverifiable
  }

  let kind: Kind
  let message: String

  static func usage(_ message: String) -> CommandError { CommandError(kind: .usage, message: message) }
  static func failure(_ message: String) -> CommandError { CommandError(kind: .failure, message: message) }

  static func unverifiable(_ message: String) -> CommandError { CommandError(kind: .unverifiable, message: message) }

  var exitStatus: Int32 { kind == .failure ? 1 : 2 }
  var description: String { message }
}
