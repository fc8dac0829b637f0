import Runtime
import Values

/// Takes `count` direct payments in by `POST /v1/payments`, or with the method `surface` by `POST /payments/` of the
/// surface payments at the address, over `connections`: each calls again when it has its answer, or, with `rate`, as
/// soon as one is due, and the time counts from then. With `wait` an answer must tell COMPLETED.
final class PayLoad: EventLoopTimerTarget, @unchecked Sendable {
  // @unchecked: after `run` has handed over to the loop, its thread is the only one that touches the rest.
  private let address: NetworkAddress
  private let connections: Int
  private let count: Int
  private let rate: Int
  /// The path, the field of the user, and the other fields.
  private var order: (path: String, user: String, fields: String)
  private let isCompleted: Bool
  private let loop = EventLoop(name: "load")
  private let isFinished = Monitor(false)

  private var idle: [PayConnection] = []
  private var callers: [PayConnection] = []
  private var next = 0
  private var started = Instant.now()
  private var ended = Instant.now()
  private var latencies: [Int64] = []
  private var failures = 0

  init(_ options: LoadOptions) {
    guard let address = NetworkAddress(options.text("address")) else { fail("--address is not HOST:PORT") }
    self.address = address
    connections = options.number("connections", default: 1)
    count = options.number("count")
    rate = options.number("rate", default: 0)
    let wait = options.number("wait", default: 0)
    isCompleted = wait > 0
    switch options.text("method") {
    case "account": order = Self.order(#"{"type":"account","number":"10000000001"}"#)
    case "card":
      order = Self.order(
        #"{"type":"card","card":{"number":"4242424242424242","exp_month":12,"exp_year":2040,"cvv":"123"}}"#)
    case "surface" where wait == 0:
      order = ("/payments/", "userId", #""accountNumber":"10000000001","amount":19.99,"description":"a book""#)
    default: fail("--method is account or card, or surface without --wait")
    }
    if wait > 0 { order.path += "?wait=\(wait)s" }
    latencies.reserveCapacity(count)
  }

  private static func order(_ method: String) -> (path: String, user: String, fields: String) {
    ("/v1/payments", "user_id", #""method":\#(method),"amount":1999,"currency":"EUR""#)
  }

  func run() {
    loop.start()
    let descriptors = (0..<connections).map { _ in
      do {
        return try TCPSocket.connect(address, timeout: .seconds(5))
      } catch {
        fail("cannot connect to \(address): \(error)")
      }
    }
    loop.execute { [self] in
      callers = descriptors.map { PayConnection(self, loop, descriptor: $0) }
      idle = callers
      started = .now()
      if rate > 0 {
        timerFired(0)
      } else {
        for caller in callers { call(by: caller, at: started) }
      }
    }
    _ = isFinished.wait(until: .distantFuture) { $0 ? true : nil }
    report()
  }

  /// The next call is due. On the loop's thread.
  func timerFired(_ token: UInt64) {
    callDue()
    if next < count { _ = loop.schedule(at: max(due(next), .now() + .milliseconds(1)), self) }
  }

  /// Calls whatever is due, as far as there are connections.
  private func callDue() {
    let now = Instant.now()
    while next < count, due(next) <= now, let caller = idle.popLast() { call(by: caller, at: due(next)) }
  }

  private func due(_ index: Int) -> Instant { started + .nanoseconds(Int64(index) * 1_000_000_000 / Int64(rate)) }

  private func call(by caller: PayConnection, at moment: Instant) {
    guard next < count else { return }
    next += 1
    let body = #"{"\#(order.user)":"\#(UniqueID.random())",\#(order.fields)}"#
    caller.send(
      """
      POST \(order.path) HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nIdempotency-Key: \(UniqueID.random())\r\n\
      Content-Length: \(body.utf8.count)\r\n\r\n\(body)
      """, at: moment)
  }

  /// A connection has its answer. On the loop's thread.
  func answered(_ caller: PayConnection, since start: Instant, _ answer: ArraySlice<UInt8>) {
    latencies.append((Instant.now() - start).inNanoseconds)
    let text = String(decoding: answer, as: UTF8.self)
    if !text.hasPrefix("HTTP/1.1 201 ") || isCompleted && !text.contains(#""status":"COMPLETED""#) {
      if failures == 0 { notice(text) }
      failures += 1
    }
    if latencies.count == count {
      ended = .now()
      isFinished.update { $0 = true }
    } else if rate > 0 {
      idle.append(caller)
      callDue()
    } else {
      call(by: caller, at: .now())
    }
  }

  private func report() {
    latencies.sort()
    func percentile(_ share: Double) -> Double { Double(latencies.percentile(share)) / 1_000 }
    print(
      """
      {"calls":\(count),"failures":\(failures),"seconds":\((ended - started).inSeconds),"p50_us":\(percentile(0.5)),\
      "p95_us":\(percentile(0.95)),"p99_us":\(percentile(0.99))}
      """)
  }
}
