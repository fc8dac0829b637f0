import HTTP2
import Protobuf
import Runtime
import SagaMessages
import Values

/// Opens or settles the payments of `count` orders from `first` on, each once, by `connections` × `streams` callers
/// that each wait for their answer before they call again.
final class CallLoad: CallSource, @unchecked Sendable {
  // @unchecked: after `run` has handed over to the loop, its thread is the only one that touches the rest.
  enum Method: String {
    case create = "CreatePayment"
    case settle = "UpdatePaymentStatus"
  }

  private let method: Method
  private let address: NetworkAddress
  private let connections: Int
  private let streams: Int
  private let firstOrder: Int
  private let count: Int
  private let loop = EventLoop(name: "load")
  private let headers: HTTP2HeaderBlock
  private let isFinished = Monitor(false)

  private var callers: [CallConnection] = []
  private var next = 0
  private var started = Instant.now()
  private var ended = Instant.now()
  private var latencies: [Int64] = []
  private var failures = 0

  init(_ method: Method, _ options: LoadOptions) {
    self.method = method
    guard let address = NetworkAddress(options.text("address")) else { fail("--address is not HOST:PORT") }
    self.address = address
    connections = options.number("connections", default: 1)
    streams = options.number("streams", default: 1)
    firstOrder = options.number("first")
    count = options.number("count")
    latencies.reserveCapacity(count)
    headers = .call(method.rawValue)
  }

  func run() {
    loop.start()
    let descriptors = (0..<connections).map { _ in
      do {
        return try connectSocket(address, timeout: .seconds(5))
      } catch {
        fail("\(error)")
      }
    }
    loop.execute { [self] in
      started = .now()
      callers = descriptors.map { CallConnection(self, loop, descriptor: $0) }
      for caller in callers { for _ in 0..<streams { caller.call() } }
    }
    _ = isFinished.wait(until: .distantFuture) { $0 ? true : nil }
    report()
  }

  /// The next order's request; nil when all have been handed out. On the loop's thread.
  func nextRequest() -> (headers: HTTP2HeaderBlock, message: [UInt8])? {
    guard next < count else { return nil }
    defer { next += 1 }
    let order = Int64(firstOrder + next)
    return switch method {
    case .create: (headers, PaymentsV1.CreatePaymentRequest(orderID: order).serialized())
    case .settle: (headers, PaymentsV1.UpdatePaymentStatusRequest(orderID: order, status: .completed).serialized())
    }
  }

  /// A call has ended. On the loop's thread.
  func ended(since start: Instant, isOK: Bool) {
    latencies.append((Instant.now() - start).inNanoseconds)
    if !isOK { failures += 1 }
    guard latencies.count == count else { return }
    ended = .now()
    isFinished.update { $0 = true }
  }

  private func report() {
    latencies.sort()
    func percentile(_ share: Double) -> Double { Double(latencies.percentile(share)) / 1_000 }
    let seconds = (ended - started).inSeconds
    print(
      """
      {"calls":\(count),"failures":\(failures),"seconds":\(seconds),"p50_us":\(percentile(0.5)),\
      "p95_us":\(percentile(0.95)),"p99_us":\(percentile(0.99))}
      """)
  }
}
