/// A request up to its body, as the HTTP library read it.
struct RequestHead {
  var method: String
  /// Path and query as they came.
  var target: [UInt8]
  /// `HTTP/1.1` or `HTTP/1.0`.
  var version: String
  var headers: HTTPHeaders
  /// False when the library changed the target or a field while reading: a NUL, a bare line feed, a folded line.
  var isPlain = true
}
