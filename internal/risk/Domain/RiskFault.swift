/// What is wrong with rules or with stored features.
public struct RiskFault: Error, Sendable, Hashable, CustomStringConvertible {
  /// Where, such as `rules[2].points`; empty for the text itself.
  public let field: String
  /// What was expected and what was found.
  public let message: String

  /// A fault.
  public init(field: String, message: String) {
    self.field = field
    self.message = message
  }

  /// Field and message.
  public var description: String { field.isEmpty ? message : "\(field): \(message)" }
}
