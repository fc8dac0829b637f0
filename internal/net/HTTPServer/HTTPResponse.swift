/// An answer: status, header fields and body.
public struct HTTPResponse: Sendable, Hashable {
  /// A header field.
  public struct Field: Sendable, Hashable {
    /// As it is sent, such as `Cache-Control`.
    public let name: String
    /// As it is sent.
    public let value: String
  }

  /// 200 to 599.
  public var status: Int
  /// The fields besides Content-Length, Date and Connection, which the server writes.
  public private(set) var fields: [Field] = []
  /// The whole body; not sent in answer to HEAD, but counted.
  public var body: [UInt8]

  /// - Parameters:
  ///   - status: 200 to 599.
  ///   - contentType: of the body, such as `application/json`; nil where there is none.
  public init(_ status: Int, contentType: String? = nil, body: [UInt8] = []) {
    precondition((200...599).contains(status), "an answer has a status from 200 to 599")
    self.status = status
    self.body = body
    if let contentType { add("Content-Type", contentType) }
  }

  /// An answer with JSON.
  public static func json(_ status: Int, _ body: [UInt8]) -> HTTPResponse {
    HTTPResponse(status, contentType: "application/json", body: body)
  }

  /// An answer with text for people.
  public static func text(_ status: Int, _ body: String) -> HTTPResponse {
    HTTPResponse(status, contentType: "text/plain; charset=utf-8", body: Array(body.utf8))
  }

  /// Adds a field.
  /// - Parameters:
  ///   - name: one that the server does not write itself.
  ///   - value: when it holds a byte that no field may, such as a line break, the field is left out as the answer is
  ///     sent, and the log says so: text of strangers cannot add fields.
  public mutating func add(_ name: String, _ value: String) {
    precondition(
      name.utf8.allSatisfy(HTTPHeaders.isTokenByte) && !Self.own.contains(name.lowercased()),
      "\(name) is no header field for a handler")
    fields.append(Field(name: name, value: value))
  }

  private static let own: Set<String> = ["content-length", "transfer-encoding", "connection", "date", ""]

  /// Whether a value may stand in a field.
  static func isValue(_ value: String) -> Bool {
    value.utf8.allSatisfy { $0 == 0x09 || ($0 >= 0x20 && $0 != 0x7F) }
  }
}
