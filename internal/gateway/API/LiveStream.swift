internal import GatewayDomain
internal import HTTPServer
internal import Runtime

/// A caller that follows payments: an exchange until the first reading, an answer of type `text/event-stream` from then
/// on (WHATWG HTML, section 9.2).
final class LiveStream: Sendable {
  /// The header field with which a caller goes on.
  static let lastEventID = "Last-Event-ID"

  private enum State {
    case asked(HTTPExchange)
    case open(HTTPStream)
    case ended
  }
  private let state: Monitor<State>
  private let place: WaiterPlace
  private let capacity: Int
  /// Whether the caller still may follow.
  let isAllowed: @Sendable () -> Bool
  private let body: @Sendable (GatewayPayment) -> [UInt8]?

  /// - Parameters:
  ///   - place: given back when the stream goes.
  ///   - capacity: bytes that may wait for the caller.
  init(
    _ exchange: HTTPExchange, at place: WaiterPlace, isAllowed: @escaping @Sendable () -> Bool,
    body: @escaping @Sendable (GatewayPayment) -> [UInt8]?, capacity: Int
  ) {
    state = Monitor(.asked(exchange))
    self.place = place
    self.isAllowed = isAllowed
    self.body = body
    self.capacity = capacity
  }

  /// Begins the answer, and tells the position.
  func begin(id: String?) -> HTTPStream.Outcome {
    write(id.map { Array("id: \($0)\n\n".utf8) } ?? [])
  }

  /// Sends a payment as it is.
  func send(_ payment: GatewayPayment, id: String?) -> HTTPStream.Outcome {
    guard let data = body(payment) else { return begin(id: id) }
    var event: [UInt8] = []
    event.reserveCapacity(data.count + 320)
    if let id { event += Array("id: \(id)\n".utf8) }
    for line in data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      event += Self.data
      event += line
      event.append(UInt8(ascii: "\n"))
    }
    event.append(UInt8(ascii: "\n"))
    return write(event)
  }

  /// Sends a comment, so that neither side takes the other for gone.
  func beat() -> HTTPStream.Outcome { write(Self.comment) }

  /// Calls `body` once when the caller has taken all that waits; not after the stream has ended.
  func whenDrained(_ body: @escaping @Sendable () -> Void) {
    let open = state.withLock { state -> HTTPStream? in
      if case .open(let stream) = state { stream } else { nil }
    }
    open?.whenDrained(body)
  }

  /// Ends the stream as it should end; without one, answers.
  func end(_ response: HTTPResponse) {
    switch take() {
    case .asked(let exchange): exchange.respond(response)
    case .open(let stream): stream.finish()
    case .ended: return
    }
  }

  /// Answers that there is trouble; a stream that has begun can only be cut.
  func fail(_ response: HTTPResponse) {
    switch take() {
    case .asked(let exchange): exchange.respond(response)
    case .open(let stream): stream.breakOff()
    case .ended: return
    }
  }

  /// The caller has left, or may not stay.
  func leave() {
    switch take() {
    case .asked(let exchange): exchange.breakOff()
    case .open(let stream): stream.finish()
    case .ended: return
    }
  }

  private func take() -> State {
    state.withLock { state in
      defer { state = .ended }
      return state
    }
  }

  private func write(_ bytes: [UInt8]) -> HTTPStream.Outcome {
    let open = state.withLock { state -> (HTTPStream, isNew: Bool)? in
      switch state {
      case .asked(let exchange):
        let stream = exchange.stream(Self.head, capacity: capacity)
        state = .open(stream)
        return (stream, true)
      case .open(let stream): return (stream, false)
      case .ended: return nil
      }
    }
    guard let open else { return .closed }
    return open.0.write(open.isNew ? Self.retry + bytes : bytes)
  }

  private static let data = Array("data: ".utf8)
  private static let comment = Array(":\n\n".utf8)
  /// How long a caller pauses before it comes back, in milliseconds.
  private static let retry = Array("retry: 2000\n\n".utf8)
  private static let head: HTTPResponse = {
    var head = HTTPResponse(200, contentType: "text/event-stream")
    head.add("Cache-Control", "no-store")
    // Proxies that gather answers would hold events back.
    head.add("X-Accel-Buffering", "no")
    return head
  }()
}
