public import GRPC
public import Metrics
internal import Protobuf
public import Runtime
internal import SagaMessages
internal import StandardMessages
internal import Synchronization
public import Tracing
public import Values

/// Asks the saga over gRPC (`payments.v1.PaymentService`).
///
/// The gRPC client blocks its caller, so calls run on threads of the client's own, behind a bounded queue: a saga that
/// does not answer costs its callers their deadline and holds nobody else. Callable on any thread.
public final class SagaClient: SagaAsking, ServicePart {
  /// The limits of a client.
  public struct Limits: Sendable {
    /// Calls at a time, each on a thread: enough for thousands a second at a saga that takes some milliseconds for one.
    public var threads = 32
    /// Calls that may wait for a thread.
    public var queue = 256
    /// Longest time for a call, whatever its deadline.
    public var callTimeout = Duration.seconds(5)

    /// The limits that suit most uses.
    public init() {}
  }

  /// A call on one of the threads, or why it is not made.
  private typealias Call = @Sendable (SagaFailure?) -> Void

  private let client: GRPCClient
  private let limits: Limits
  private let queue: Monitor<CallQueue<Call>>
  private let threads = Mutex<[WorkerThread]>([])
  private let metrics: SagaClientMetrics
  private let tracer: Tracer
  private let lastFailure = Mutex<SagaFailure?>(nil)

  /// Starts the threads; connects with the first call.
  /// - Parameter tracer: records calls that are a part of recorded work.
  public init(
    _ client: GRPCClient, limits: Limits = Limits(), metrics: MetricsRegistry, tracer: Tracer = .off
  ) {
    precondition(limits.threads > 0 && limits.queue > 0, "a client has a thread and room for a call")
    self.client = client
    self.limits = limits
    self.tracer = tracer
    self.metrics = SagaClientMetrics(metrics)
    let queue = Monitor(CallQueue<Call>(limit: limits.queue))
    self.queue = queue
    var started = (0..<limits.threads).map { number in
      WorkerThread(name: "saga-\(number)") { Self.work(queue) }
    }
    started.append(WorkerThread(name: "saga-expiry") { Self.expire(queue) })
    threads.withLock { $0 = started }
  }

  deinit { Self.refuse(queue.update { $0.close() }) }

  /// Refuses calls from here on and those that wait; calls under way end within their time limit.
  public func stop(until deadline: Instant) {
    Self.refuse(queue.update { $0.close() })
    for thread in threads.withLock({ $0 }) { thread.join() }
    client.close()
  }

  /// Why the newest call got no answer; nil when it got one.
  public var problem: String? { lastFailure.withLock { $0?.description } }

  // MARK: - Calls

  public func payment(
    ofOrder order: Int64, trace: TraceContext? = nil, deadline: Instant
  ) async -> Result<SagaPayment?, SagaFailure> {
    let request = PaymentsV1.GetPaymentRequest(orderID: order)
    let (reply, duration) = await call("GetPayment", request, of: order, trace, deadline: deadline)
    let answer = SagaAnswers.found(reply, order: order)
    note(SagaAnswers.failure(answer))
    metrics.note(answer, duration)
    return answer
  }

  public func settle(
    order: Int64, reason: String, trace: TraceContext? = nil, deadline: Instant
  ) async -> SettleAnswer {
    let request = PaymentsV1.UpdatePaymentStatusRequest(orderID: order, status: .completed, reason: reason)
    let (reply, duration) = await call("UpdatePaymentStatus", request, of: order, trace, deadline: deadline)
    let answer = SagaAnswers.settled(reply, order: order, reason: reason)
    if case .unavailable(let failure) = answer { note(failure) } else { note(nil) }
    metrics.note(answer, duration)
    return answer
  }

  private func note(_ failure: SagaFailure?) { lastFailure.withLock { $0 = failure } }

  private func call(
    _ method: String, _ request: some ProtobufMessage & Sendable, of order: Int64, _ trace: TraceContext?,
    deadline: Instant
  ) async -> (Result<PaymentsV1.Payment, GRPCStatus>, Duration) {
    let start = Instant.now()
    let path = "payments.v1.PaymentService/\(method)"
    let span = tracer.part(
      path, .client, of: trace, [SpanAttribute("rpc.system", "grpc"), SpanAttribute("paysaga.order_id", order)])
    var metadata: Metadata = [:]
    if let trace = span?.context ?? trace { metadata.add(TraceContext.name, trace.traceparent) }
    let reply = await withUnsafeContinuation {
      (continuation: UnsafeContinuation<Result<PaymentsV1.Payment, GRPCStatus>, Never>) in
      submit(until: deadline) { [client, limits, metadata] refusal in
        if let refusal {
          return continuation.resume(returning: .failure(GRPCStatus(.unavailable, refusal.description)))
        }
        continuation.resume(
          returning: Self.unary(
            client, "/\(path)", request, timeout: min(limits.callTimeout, deadline - .now()), metadata))
      }
    }
    span?.end(reply)
    return (reply, .now() - start)
  }

  /// Blocks the calling thread.
  private static func unary(
    _ client: GRPCClient, _ path: String, _ request: some ProtobufMessage, timeout: Duration, _ metadata: Metadata
  ) -> Result<PaymentsV1.Payment, GRPCStatus> {
    guard timeout > .zero else { return .failure(GRPCStatus(.deadlineExceeded, "the deadline has passed")) }
    do throws(GRPCStatus) {
      return .success(
        try client.unary(
          path, request, returning: PaymentsV1.Payment.self, timeout: timeout, metadata: metadata))
    } catch {
      return .failure(error)
    }
  }

  // MARK: - Threads

  private func submit(until deadline: Instant, _ call: @escaping Call) {
    let isAdmitted = queue.update { $0.admit(call, until: deadline) }
    if !isAdmitted { call(SagaFailure("too many calls wait for the saga, or the program is shutting down")) }
  }

  private static func refuse(_ calls: [Call]) {
    for call in calls { call(SagaFailure("the program is shutting down")) }
  }

  private static func work(_ queue: Monitor<CallQueue<Call>>) {
    while true {
      let call = queue.wait { queue -> Call?? in
        if let call = queue.next() { return call }
        return queue.isClosed ? .some(nil) : nil
      }
      guard case .some(.some(let call)) = call else { return }
      call(nil)
    }
  }

  /// Answers the calls that wait too long for a thread.
  private static func expire(_ queue: Monitor<CallQueue<Call>>) {
    while true {
      let next = queue.withLock { $0.isClosed ? nil : $0.nextExpiry }
      guard let next else { return }
      _ = queue.wait(until: next) { queue in queue.isClosed || queue.nextExpiry < next ? true : nil }
      for call in queue.withLock({ $0.expire(at: .now()) }) {
        call(SagaFailure("no call to the saga ended before the deadline"))
      }
    }
  }
}

extension Span {
  /// Ends the span of a call: every other code than OK is an error to a client (OpenTelemetry's conventions for gRPC).
  fileprivate func end(_ reply: Result<PaymentsV1.Payment, GRPCStatus>) {
    let code: GRPCCode
    switch reply {
    case .success: code = .ok
    case .failure(let status): code = status.code
    }
    note(SpanAttribute("rpc.grpc.status_code", code.rawValue))
    end(error: code == .ok ? nil : code.name)
  }
}
