public import HTTPServer

/// A page of the admin endpoint that a program adds, such as `/config`.
public struct AdminPage: Sendable {
  /// Such as `/config`.
  public let path: String
  /// What the page shows, in a few words for people.
  public let title: String
  /// Whether it shows settings or data of payments: then `AdminAccess` decides who may see it.
  public let showsData: Bool
  let handler: HTTPRoute.Handler

  /// - Parameters:
  ///   - path: begins with a slash; no other page has it.
  ///   - title: what the page shows, in a few words for people.
  ///   - showsData: whether it shows settings or data of payments.
  ///   - handler: answers GET; called on the endpoint's own thread, must not block and may answer later.
  public init(_ path: String, title: String, showsData: Bool, handler: @escaping HTTPRoute.Handler) {
    self.path = path
    self.title = title
    self.showsData = showsData
    self.handler = handler
  }
}
