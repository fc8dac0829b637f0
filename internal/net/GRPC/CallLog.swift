public import Logger

/// Writes a line to the log, at level debug, for each call that did not end with OK, or for every call.
///
/// Nothing of it is secret: method, peer, status and time, but no metadata and no message.
public struct CallLog: ServerInterceptor {
  private let logger: Logger
  private let includesSuccess: Bool

  /// - Parameter includesSuccess: whether calls that ended with OK are written, too.
  public init(_ logger: Logger, includesSuccess: Bool = false) {
    self.logger = logger.labelled("grpc")
    self.includesSuccess = includesSuccess
  }

  public func didFinish(_ context: ServerContext, _ status: GRPCStatus, elapsed: Duration) {
    guard status.code != .ok || includesSuccess else { return }
    logger.debug(
      "call ended",
      [
        "method": .string(context.path), "peer": .string(context.peer), "code": .string(status.code.name),
        "reason": .string(status.message), "duration_ms": .double(elapsed / .milliseconds(1)),
        "trace_id": .describing(context.traceIDText),
      ])
  }
}
