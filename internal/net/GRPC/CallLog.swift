public import Logger

/// Writes a line to the log for each call that the access log wants; failed calls that it does not want are written at
/// level debug.
///
/// Nothing of it is secret: method, peer, status, bytes and time, but no metadata and no message.
public struct CallLog: ServerInterceptor {
  private let logger: Logger
  private let access: AccessLog

  /// - Parameter access: the calls that are written.
  public init(_ logger: Logger, _ access: AccessLog = .off) {
    self.logger = logger.labelled("grpc")
    self.access = access
  }

  public func didFinish(_ context: ServerContext, _ status: GRPCStatus, elapsed: Duration) {
    if status.code == .ok {
      if access == .all { logger.info("call ended", fields(context, status, elapsed)) }
    } else if access == .off {
      logger.debug("call ended", fields(context, status, elapsed))
    } else {
      logger.warning("call failed", fields(context, status, elapsed))
    }
  }

  private func fields(_ context: ServerContext, _ status: GRPCStatus, _ elapsed: Duration) -> Logger.Fields {
    [
      "method": .string(context.path), "peer": .string(context.peer), "code": .string(status.code.name),
      "reason": .describing(status.code == .ok ? nil : status.message),
      "duration_ms": .double(elapsed / .milliseconds(1)), "bytes": .number(context.call.sentBytes),
      "trace_id": .describing(context.traceIDText),
    ]
  }
}
