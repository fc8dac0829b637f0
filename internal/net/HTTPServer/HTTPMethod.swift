/// The methods that routes are made for (RFC 9110 section 9, RFC 5789). A HEAD request goes to the route of GET.
public enum HTTPMethod: String, Sendable, CaseIterable {
  case get = "GET"
  case post = "POST"
  case put = "PUT"
  case patch = "PATCH"
  case delete = "DELETE"

  /// Whether a route of this method takes a body unless it says otherwise.
  var takesBody: Bool { self == .post || self == .put || self == .patch }
}
