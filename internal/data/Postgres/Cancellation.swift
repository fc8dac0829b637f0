internal import CLibpq
internal import Runtime
internal import Synchronization
internal import Values

/// Asks the server to end what a connection runs (PostgreSQL manual, section 34.7).
///
/// `PQcancel` connects anew and waits for as long as the server is silent, so each request has a thread of its own, and
/// whoever asks waits a second at most. Requests to servers that never answer do not add up: beyond `limit` none is
/// made.
enum Cancellation {
  /// How a request came out.
  enum Outcome: Sendable, Equatable {
    /// The server has taken it; it may come too late all the same.
    case delivered
    case failed(String)
    case unanswered
    /// Too many others are unanswered.
    case notSent
  }

  /// Most requests under way in this process.
  static let limit = 8
  /// How long to wait for the server to take one.
  static let patience = Duration.seconds(1)

  private static let underWay = Atomic(0)

  /// What libpq needs for a request, whatever becomes of the connection.
  private struct Request: @unchecked Sendable {
    // @unchecked: used by one thread, which frees it; "PQcancel can safely be invoked in a thread that is separate from
    // the one manipulating the PGconn object".
    let pointer: OpaquePointer

    func send() -> Outcome {
      var message = [CChar](repeating: 0, count: 256)
      defer { PQfreeCancel(pointer) }
      if PQcancel(pointer, &message, Int32(message.count)) == 1 { return .delivered }
      let bytes = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      return .failed(String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).joined(separator: "; "))
    }
  }

  /// Sends a request for `connection`, which must be open, and waits for its delivery, `patience` at most.
  static func send(for connection: OpaquePointer) -> Outcome {
    guard let pointer = PQgetCancel(connection) else { return .failed("the connection is closed") }
    let request = Request(pointer: pointer)
    guard underWay.wrappingAdd(1, ordering: .relaxed).newValue <= limit else {
      underWay.wrappingSubtract(1, ordering: .relaxed)
      PQfreeCancel(pointer)
      return .notSent
    }
    let outcome = Monitor<Outcome?>(nil)
    _ = WorkerThread(name: "db-cancel") {
      let result = request.send()
      underWay.wrappingSubtract(1, ordering: .relaxed)
      outcome.update { $0 = result }
    }
    return outcome.wait(until: .now() + patience) { $0 } ?? .unanswered
  }
}

extension Cancellation.Outcome: CustomStringConvertible {
  var description: String {
    switch self {
    case .delivered: "the server was told to cancel it"
    case .failed(let reason): "the server could not be told to cancel it: \(reason)"
    case .unanswered: "the server did not answer the request to cancel it"
    case .notSent: "no request to cancel it, as too many others are unanswered"
    }
  }
}
