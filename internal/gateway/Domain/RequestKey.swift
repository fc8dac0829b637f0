public import Values

/// The name that a caller gives to a call which must have one effect however often it is made, within its scope: the
/// API key and the route. The same text of two API keys, or for two routes, is two keys.
///
/// Its description hides the text: a key may be as good as a password to whoever can repeat the call.
public struct RequestKey: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible {
  /// API key and route.
  public let scope: String
  /// 1 to 255 bytes.
  public let text: String

  /// - Parameters:
  ///   - apiKeyID: the id of the caller's API key; nil where callers have none.
  ///   - route: method and path as the router has them, such as `POST /v1/payments`.
  ///   - text: 1 to 255 bytes without NUL; anything else is a mistake of whoever reads the header.
  public init(apiKeyID: UniqueID?, route: String, text: String) {
    precondition((1...255).contains(text.utf8.count) && !text.utf8.contains(0), "a key has 1 to 255 bytes, none NUL")
    scope = "\(apiKeyID?.description ?? "-") \(route)"
    self.text = text
  }

  /// Scope and length.
  public var description: String { "a key of \(text.utf8.count) bytes for \(scope)" }
  /// The same as `description`.
  public var debugDescription: String { description }
}
