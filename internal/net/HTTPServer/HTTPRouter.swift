/// The routes of a server, and its words for requests that no route answers.
public struct HTTPRouter: Sendable {
  enum Match: Hashable {
    case found(route: Int, parameters: [String: String])
    /// The path is known; these methods are not refused.
    case otherMethod(allow: [String])
    case unknown
  }

  private struct Node: Sendable {
    var words: [String: Int] = [:]
    var placeholder: Int?
    var routes: [HTTPMethod: Int] = [:]
  }

  private(set) var routes: [HTTPRoute] = []
  private var names: [[String]] = []
  private var nodes = [Node()]

  /// What the server knows of a request that it answers itself.
  public struct Refused: Sendable {
    /// The method.
    public let method: String
    /// The page that has made the browser ask, as the header field `Origin` has it.
    public let origin: String?
  }

  /// The server's own answers in the words of this surface; problem details unless set. `Allow` and `Retry-After` are
  /// added by `HTTPRefusal.completed`.
  public var refusal: @Sendable (HTTPRefusal, Refused) -> HTTPResponse = { refusal, _ in refusal.response }

  /// Answers OPTIONS on a path that has routes, with their methods, as for CORS; nil answers 405. Gets the header
  /// fields and the methods.
  public var options: (@Sendable (HTTPHeaders, _ allow: [String]) -> HTTPResponse)?

  /// Passes over queries, whatever they hold and however long they are: for surfaces whose routes read none. The limit
  /// `maxTarget` is then the path's.
  public var ignoresQuery = false

  /// No routes.
  public init() {}

  /// Adds a route; each pair of method and path once. Words come before placeholders where both fit.
  public mutating func add(_ route: HTTPRoute) {
    var (node, names) = (0, [String]())
    for part in route.parts {
      switch part {
      case .word(let word):
        let next = nodes[node].words[word] ?? appendNode()
        nodes[node].words[word] = next
        node = next
      case .placeholder(let name):
        precondition(!names.contains(name), "\(route.pattern) has {\(name)} twice")
        names.append(name)
        let next = nodes[node].placeholder ?? appendNode()
        nodes[node].placeholder = next
        node = next
      }
    }
    precondition(nodes[node].routes[route.method] == nil, "\(route.method.rawValue) \(route.pattern) is there already")
    nodes[node].routes[route.method] = routes.count
    routes.append(route)
    self.names.append(names)
  }

  /// Adds a route.
  /// - Parameters: as for `HTTPRoute`.
  public mutating func add(
    _ method: HTTPMethod, _ pattern: String, name: String? = nil, maxBody: Int? = nil, contentTypes: [String] = [],
    answerTime: Duration = HTTPRoute.defaultAnswerTime, handler: @escaping HTTPRoute.Handler
  ) {
    add(
      HTTPRoute(
        method, pattern, name: name, maxBody: maxBody, contentTypes: contentTypes, answerTime: answerTime,
        handler: handler))
  }

  private mutating func appendNode() -> Int {
    nodes.append(Node())
    return nodes.count - 1
  }

  /// - Parameter segments: the decoded parts of the path.
  func match(method: String, _ segments: [String]) -> Match {
    var values: [String] = []
    guard let node = find(0, segments[...], &values) else { return .unknown }
    let wanted = method == "HEAD" ? "GET" : method
    guard let known = HTTPMethod(rawValue: wanted), let route = nodes[node].routes[known] else {
      return .otherMethod(allow: allowed(nodes[node]))
    }
    return .found(
      route: route, parameters: Dictionary(zip(names[route], values), uniquingKeysWith: { first, _ in first }))
  }

  /// The node with routes that fits, words first.
  private func find(_ node: Int, _ segments: ArraySlice<String>, _ values: inout [String]) -> Int? {
    guard let first = segments.first else { return nodes[node].routes.isEmpty ? nil : node }
    if let next = nodes[node].words[first], let found = find(next, segments.dropFirst(), &values) { return found }
    // A placeholder stands for something.
    guard let next = nodes[node].placeholder, !first.isEmpty else { return nil }
    values.append(first)
    if let found = find(next, segments.dropFirst(), &values) { return found }
    values.removeLast()
    return nil
  }

  private func allowed(_ node: Node) -> [String] {
    var allow = HTTPMethod.allCases.filter { node.routes[$0] != nil }.map(\.rawValue)
    if node.routes[.get] != nil { allow.insert("HEAD", at: 1) }
    if options != nil { allow.append("OPTIONS") }
    return allow
  }
}
