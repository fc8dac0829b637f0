/// The status codes of gRPC (statuscodes.md).
public enum GRPCCode: Int, Sendable, Hashable, CaseIterable {
  case ok = 0
  case cancelled = 1
  case unknown = 2
  case invalidArgument = 3
  case deadlineExceeded = 4
  case notFound = 5
  case alreadyExists = 6
  case permissionDenied = 7
  case resourceExhausted = 8
  case failedPrecondition = 9
  case aborted = 10
  case outOfRange = 11
  case unimplemented = 12
  case `internal` = 13
  case unavailable = 14
  case dataLoss = 15
  case unauthenticated = 16

  /// The name in the protocol's own spelling, `NOT_FOUND`, as metrics and logs have it.
  public var name: String {
    switch self {
    case .ok: "OK"
    case .cancelled: "CANCELLED"
    case .unknown: "UNKNOWN"
    case .invalidArgument: "INVALID_ARGUMENT"
    case .deadlineExceeded: "DEADLINE_EXCEEDED"
    case .notFound: "NOT_FOUND"
    case .alreadyExists: "ALREADY_EXISTS"
    case .permissionDenied: "PERMISSION_DENIED"
    case .resourceExhausted: "RESOURCE_EXHAUSTED"
    case .failedPrecondition: "FAILED_PRECONDITION"
    case .aborted: "ABORTED"
    case .outOfRange: "OUT_OF_RANGE"
    case .unimplemented: "UNIMPLEMENTED"
    case .internal: "INTERNAL"
    case .unavailable: "UNAVAILABLE"
    case .dataLoss: "DATA_LOSS"
    case .unauthenticated: "UNAUTHENTICATED"
    }
  }
}

/// How a call ended. A handler throws one to answer with it; a client throws the one it was answered with.
///
/// `message` goes to the caller as it is: put nothing into it that the caller must not see.
public struct GRPCStatus: Error, Sendable, Equatable, CustomStringConvertible {
  /// The status code.
  public var code: GRPCCode
  /// Words for the caller, who sees all of them.
  public var message: String
  /// A serialised `google.rpc.Status` with the same code, sent as `grpc-status-details-bin`.
  public var details: [UInt8]?
  /// Further trailing metadata.
  public var trailers: Metadata

  /// - Parameters:
  ///   - message: words for the caller.
  ///   - details: a serialised `google.rpc.Status` with the same code.
  public init(_ code: GRPCCode, _ message: String = "", details: [UInt8]? = nil, trailers: Metadata = [:]) {
    self.code = code
    self.message = message
    self.details = details
    self.trailers = trailers
  }

  /// The call succeeded.
  public static let ok = GRPCStatus(.ok)

  public var description: String { message.isEmpty ? code.name : "\(code.name): \(message)" }
}
