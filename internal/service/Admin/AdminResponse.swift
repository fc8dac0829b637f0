internal import Metrics
internal import Values

/// Decides the answer of the admin endpoint, apart from the HTTP library that sends it.
struct AdminResponse: Hashable {
  /// The longest path accepted, bytes.
  static let longestPath = 256

  var status: UInt32
  var contentType: String
  var body: [UInt8]
  /// The methods of a 405.
  var allow: String?

  /// - Parameters:
  ///   - path: without the query.
  ///   - metrics: called for `/metrics` only, as is `readiness` for `/readyz` and `/readyz/api`.
  init(method: String, path: String, readiness: () -> ReadinessReport, metrics: () -> String) {
    guard method == "GET" || method == "HEAD" else {
      self.init(405, text: "only GET and HEAD are served here\n")
      allow = "GET, HEAD"
      return
    }
    guard path.utf8.count <= Self.longestPath else {
      self.init(414, text: "a path has at most \(Self.longestPath) bytes here\n")
      return
    }
    switch path {
    case "/healthz": self.init(200, json: JSONWriter.object { $0.add("status", "ok") })
    case "/readyz": self.init(readiness())
    case "/readyz/api":
      if let report = readiness().forAPI {
        self.init(report)
      } else {
        self.init(404, text: "this program serves no API\n")
      }
    case "/metrics":
      self.init(
        status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8", body: Array(metrics().utf8), allow: nil)
    default: self.init(404, text: "nothing here; there are /healthz, /readyz, /readyz/api and /metrics\n")
    }
  }

  private init(status: UInt32, contentType: String, body: [UInt8], allow: String?) {
    self.status = status
    self.contentType = contentType
    self.body = body
    self.allow = allow
  }

  private init(_ report: ReadinessReport) { self.init(report.isReady ? 200 : 503, json: report.json) }

  private init(_ status: UInt32, text: String) {
    self.init(status: status, contentType: "text/plain; charset=utf-8", body: Array(text.utf8), allow: nil)
  }

  private init(_ status: UInt32, json: [UInt8]) {
    self.init(status: status, contentType: "application/json", body: json + "\n".utf8, allow: nil)
  }
}
