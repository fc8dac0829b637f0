/// A method and a path with what answers it.
public struct HTTPRoute: Sendable {
  /// Answers a request, now or later, from any thread. Called on a thread of the server: must not block, since all
  /// other requests of that thread wait meanwhile.
  public typealias Handler = @Sendable (HTTPRequest, HTTPExchange) -> Void

  /// The method; a GET route also answers HEAD.
  public let method: HTTPMethod
  /// Such as `/v1/orders/{id}`: parts of a path, each a word or a placeholder. A slash at the end counts.
  public let pattern: String
  /// What metrics and logs call it.
  public let name: String
  /// The longest body, bytes; 0 for none.
  public var maxBody: Int
  /// The types that a body may have, such as `application/json`; empty for any.
  public var contentTypes: [String]
  /// How long the handler may take to answer, with the time that the caller asked it to wait; then the caller gets 503.
  public var answerTime: Duration
  let handler: Handler

  /// `answerTime` unless given.
  public static let defaultAnswerTime = Duration.seconds(30)

  /// - Parameters:
  ///   - pattern: begins with a slash.
  ///   - name: what metrics and logs call it; the pattern unless given.
  ///   - maxBody: bytes; unless given 65,536 for methods that take a body, 0 for the others.
  public init(
    _ method: HTTPMethod, _ pattern: String, name: String? = nil, maxBody: Int? = nil, contentTypes: [String] = [],
    answerTime: Duration = Self.defaultAnswerTime, handler: @escaping Handler
  ) {
    self.method = method
    self.pattern = pattern
    self.name = name ?? pattern
    self.maxBody = maxBody ?? (method.takesBody ? 64 << 10 : 0)
    self.contentTypes = contentTypes.map { $0.lowercased() }
    self.answerTime = answerTime
    self.handler = handler
  }

  /// The parts of the pattern: a word, or the name of a placeholder.
  enum Part: Hashable {
    case word(String)
    case placeholder(String)
  }

  /// Traps when the pattern is none: it is a constant of ours.
  var parts: [Part] {
    precondition(pattern.hasPrefix("/"), "a pattern begins with a slash, unlike \(pattern)")
    return pattern.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map { part in
      guard part.hasPrefix("{") else {
        precondition(!part.contains { "{}%?#".contains($0) }, "\(part) in \(pattern) is no plain word")
        return .word(String(part))
      }
      precondition(part.hasSuffix("}") && part.count > 2, "a placeholder is {name}, unlike \(part) in \(pattern)")
      return .placeholder(String(part.dropFirst().dropLast()))
    }
  }
}
