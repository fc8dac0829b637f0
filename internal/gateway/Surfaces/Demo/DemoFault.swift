package import HTTPServer
internal import Values

/// Why the demo surface refuses a call, as FastAPI wrote it with pydantic 1.
package enum DemoFault: Error, Sendable, Hashable {
  /// 422: what is wrong with fields.
  case invalid([DemoFieldFault])
  /// 400: text.
  case refused(String)
  /// 500 or 503: text, and seconds after which the call may be made again.
  case failed(Int, String, retryAfter: Int?)

  /// The body is no object at all.
  static func noObject(_ type: String, _ message: String) -> DemoFault {
    .invalid([DemoFieldFault([.name("body")], type, message)])
  }

  /// `{"detail":…}`.
  package var response: HTTPResponse {
    switch self {
    case .invalid(let faults): return .json(422, JSONWriter.object { $0.add("detail", faults) })
    case .refused(let text): return Self.text(400, text)
    case .failed(let status, let text, let seconds):
      var response = Self.text(status, text)
      if let seconds { response.add("Retry-After", String(seconds)) }
      return response
    }
  }

  /// An answer with a text.
  static func text(_ status: Int, _ text: String) -> HTTPResponse {
    .json(status, JSONWriter.object { $0.add("detail", text) })
  }

  /// What the server refuses by itself.
  static func response(_ refusal: HTTPRefusal) -> HTTPResponse {
    let words =
      switch refusal {
      case .unknownPath: "Not Found"
      case .methodNotAllowed: "Method Not Allowed"
      case .malformed(let detail): detail
      case .bodyTooLarge: "Request Entity Too Large"
      case .targetTooLong: "URI Too Long"
      case .unsupportedContentType: "Unsupported Media Type"
      case .misdirected: "Misdirected Request"
      case .headersTooLarge: "Request Header Fields Too Large"
      case .unsupportedTransferCoding: "Not Implemented"
      case .overloaded, .stopping, .noAnswerInTime: "Service Unavailable"
      case .failed: "Internal Server Error"
      }
    return refusal.completed(text(refusal.status, words))
  }
}

/// What is wrong with a field: `{"loc":["body","user_id"],"msg":"field required","type":"value_error.missing"}`.
package struct DemoFieldFault: Sendable, Hashable, JSONRepresentable {
  /// A step to the place of the fault.
  enum Step: Sendable, Hashable, JSONRepresentable {
    case name(String)
    /// The number of a character.
    case position(Int)

    func appendJSON(to bytes: inout [UInt8]) {
      switch self {
      case .name(let name): name.appendJSON(to: &bytes)
      case .position(let number): number.appendJSON(to: &bytes)
      }
    }
  }

  /// What says more of the fault, an object: `{"limit_value":0}`.
  struct Context: Sendable, Hashable, JSONRepresentable {
    private let bytes: [UInt8]

    init(_ fill: (inout JSONObjectWriter) -> Void) { bytes = JSONWriter.object(fill) }

    init(_ name: StaticString, _ value: Int) { self.init { $0.add(name, value) } }

    func appendJSON(to bytes: inout [UInt8]) { bytes += self.bytes }
  }

  let place: [Step]
  let type: String
  let message: String
  let context: Context?

  init(_ place: [Step], _ type: String, _ message: String, _ context: Context? = nil) {
    self.place = place
    self.type = type
    self.message = message
    self.context = context
  }

  package func appendJSON(to bytes: inout [UInt8]) {
    JSONWriter.appendObject(to: &bytes) { fault in
      fault.add("loc", place)
      fault.add("msg", message)
      fault.add("type", type)
      if let context { fault.add("ctx", context) }
    }
  }
}
