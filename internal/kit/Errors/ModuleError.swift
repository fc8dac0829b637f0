/// The common part of all modules' error types; each module has exactly one such type.
///
/// `description` is safe to log. Anything that may hold a caller's data belongs in `debugDescription` only.
public protocol ModuleError: Error, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
  /// The kinds of failure of the module.
  associatedtype Code: Sendable, Hashable
  /// The kind of failure, for code to act on.
  var code: Code { get }
  /// For people: what was expected, what was found and what to do.
  var message: String { get }
  /// The error below this one, when there is one.
  var cause: (any Error)? { get }
  /// Where in our code it was made.
  var location: SourceLocation { get }
  /// Whether the same call may succeed later without a change.
  var isRetryable: Bool { get }
}

/// A line of our code.
public struct SourceLocation: Sendable, Hashable, CustomStringConvertible {
  /// Module and file, as `#fileID` has them.
  public let file: String
  /// The line of the file, from 1.
  public let line: Int

  /// - Parameter file: as `#fileID` has it: it names no folder of the machine that compiled it.
  public init(file: String, line: Int) {
    self.file = file
    self.line = line
  }

  /// The place of the call.
  public static func here(file: String = #fileID, line: Int = #line) -> SourceLocation {
    SourceLocation(file: file, line: line)
  }

  public var description: String { "\(file):\(line)" }
}

extension ModuleError {
  public var description: String {
    guard let cause else { return message }
    return "\(message): \(cause)"
  }

  public var debugDescription: String { "\(code) at \(location): \(description)" }
}
