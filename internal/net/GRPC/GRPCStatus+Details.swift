internal import Protobuf
public import StandardMessages

extension GRPCStatus {
  /// A status with `google.rpc.Status` details, which repeat code and message as clients expect.
  public init(_ code: GRPCCode, _ message: String, details: [GoogleProtobuf.AnyMessage]) {
    let status = GoogleRPC.Status(code: Int32(code.rawValue), message: message, details: details)
    self.init(code, message, details: status.serialized())
  }

  /// A status that names its reason within a domain, and the request's field when one is at fault.
  /// - Parameters:
  ///   - reason: UPPER_SNAKE_CASE, stable: code may act on it.
  ///   - field: the request's field that was refused and why.
  ///   - retryDelay: how long to wait before the next try, where that can be said.
  public init(
    _ code: GRPCCode, _ message: String, reason: String, domain: String, metadata: [String: String] = [:],
    field: (name: String, description: String)? = nil, retryDelay: Duration? = nil
  ) {
    var details = [
      GoogleProtobuf.AnyMessage(packing: GoogleRPC.ErrorInfo(reason: reason, domain: domain, metadata: metadata))
    ]
    if let field {
      let violation = GoogleRPC.BadRequest.FieldViolation(field: field.name, description: field.description)
      details.append(GoogleProtobuf.AnyMessage(packing: GoogleRPC.BadRequest(fieldViolations: [violation])))
    }
    if let retryDelay {
      let delay = GoogleProtobuf.Duration(retryDelay)
      details.append(GoogleProtobuf.AnyMessage(packing: GoogleRPC.RetryInfo(retryDelay: delay)))
    }
    self.init(code, message, details: details)
  }

  /// The details as a `google.rpc.Status`; nil when there are none or they cannot be read.
  public var richStatus: GoogleRPC.Status? { details.flatMap { try? GoogleRPC.Status(serialized: $0) } }
}
