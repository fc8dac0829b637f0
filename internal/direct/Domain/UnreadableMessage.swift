/// Why a message of the pipeline cannot be read. It quotes no values.
public struct UnreadableMessage: Error, Sendable, Hashable, CustomStringConvertible {
  /// What is wrong, and with which field.
  public let description: String

  init(_ description: String) { self.description = description }

  static func missing(_ field: String) -> UnreadableMessage { UnreadableMessage("\(field) is missing") }
}
