/// An idempotency key within its scope: the same text in two scopes is two keys.
///
/// Its description hides the text: a key may be as good as a password to whoever can repeat the call.
public struct ScopedKey: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible {
  /// What the key belongs to, such as a method, or a caller and a route; the column `method`.
  public let scope: String
  /// The caller's text, 1 to 255 bytes; the column `key`. Who uses the table checks it.
  public let text: String

  /// - Parameters:
  ///   - scope: what the key belongs to.
  ///   - text: the key as the caller gave it.
  public init(scope: String, text: String) {
    self.scope = scope
    self.text = text
  }

  /// Length and scope, not the text.
  public var description: String { "a key of \(text.utf8.count) bytes of \(scope)" }
  /// The same as `description`.
  public var debugDescription: String { description }
}
