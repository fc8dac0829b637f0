public import Cards
internal import DirectDomain
public import GatewayDomain
internal import GroupCommit
internal import Idempotency
public import Logger
public import Metrics
public import Outbox
public import Postgres
public import Runtime
public import Tracing
public import Values

/// What a caller is told of a payment that was asked for.
public struct CreatedPayment: Sendable {
  /// The payment as it was taken in, byte for byte the same whenever the request is repeated under its key.
  public let body: [UInt8]
  /// The payment.
  public let paymentID: UniqueID
  /// The payment as it was taken in; nil for a repetition.
  public let payment: GatewayPayment?
  /// Whether an earlier call with the same key has made the payment. Its card is not to be charged again.
  public var isReplay: Bool { payment == nil }
}

/// Takes payments in for concurrent callers, many in one transaction, each once (D5, D6). Callable on any thread.
public final class PaymentIntake: ServicePart {
  /// The CloudEvents type and source of what goes to the processor.
  static let eventType = "paysaga.direct.created"
  static let eventSource = "/paysaga/gateway"

  private let keys: GatewayKeys
  private let requestKeys: CardFingerprintKeys
  private let topic: String
  private let traces: TraceBook
  private let output: SurfaceOutput
  private let readers: ConnectionPool
  private let commits: GroupCommit<IntakeTransaction>
  private let deadlines: PeriodicJob

  /// - Parameters:
  ///   - requestKeys: sign requests, so that one is known again under its idempotency key, and the cards in them.
  ///   - topic: where account, token and balance payments go for the processor.
  ///   - output: what readers of older systems are told.
  ///   - writers: connections for the group commit; two, so that a batch can form on one while another commits.
  ///   - readers: connections for looking keys up.
  ///   - traces: learns which payments belong to recorded traces.
  ///   - onCommit: called on a pool thread after each transaction that wrote payments: wakes the relay.
  public init(
    _ tables: GatewayTables, keys: GatewayKeys, requestKeys: CardFingerprintKeys, outbox: OutboxWriter, topic: String,
    output: SurfaceOutput, writers: ConnectionPool, readers: ConnectionPool, logger: Logger, metrics: MetricsRegistry,
    traces: TraceBook = .off, onCommit: @escaping @Sendable () -> Void
  ) {
    self.keys = keys
    self.requestKeys = requestKeys
    self.topic = topic
    self.traces = traces
    self.output = output
    self.readers = readers
    let log = logger.labelled("intake")
    let sizes = metrics.histogram(
      "gateway_intake_batch_size", help: "Calls settled by one transaction.", bounds: Histogram.sizes)
    let transaction = IntakeTransaction(tables, keys: keys, outbox: outbox, traces: traces) { calls, results in
      sizes.observe(Double(results.count))
      if results.contains(where: { (try? $0.get()) == .created }) { onCommit() }
      for (call, result) in zip(calls, results) {
        guard case .failure(let error) = result, error.code == .internal else { continue }
        log.error(
          "a call failed on what is stored",
          [
            "payment_id": .describing(call.payment.id), "order_id": .number(call.payment.orderID),
            "error": .error(error),
          ])
      }
    }
    let commits = GroupCommit(transaction, kind: "intake", pool: writers, logger: log, metrics: metrics)
    self.commits = commits
    deadlines = PeriodicJob(name: "intake-deadlines") {
      commits.watch(now: .now())
      return .milliseconds(20)
    }
  }

  /// Starts the thread that answers calls whose time is up and goes on beside a stuck batch.
  public func start() { deadlines.start() }

  /// Refuses new calls, answers those that wait.
  public func stop(until deadline: Instant) {
    commits.stop()
    deadlines.stop(until: deadline)
  }

  /// Takes a payment in. Once it returns, the payment is on disk, with its event.
  /// - Parameters:
  ///   - key: nil for a call without an idempotency key.
  ///   - apiKeyID: the API key of the caller, who is named in the event's header; nil where callers have none.
  ///   - traceparent: the W3C trace that the call belongs to.
  ///   - deadline: until when the caller waits; a call does not begin after it.
  public func create(
    _ request: PaymentRequest, key: RequestKey?, apiKeyID: UniqueID? = nil, traceparent: String? = nil,
    deadline: Instant
  ) async throws(GatewayStoreError) -> CreatedPayment {
    let payment = GatewayPayment(request, apiKeyID: apiKeyID, at: .now())
    if traces.tracer.isOn { traces.note(payment.id, traceparent.flatMap { TraceContext(traceparent: $0) }) }
    let call = IntakeCall(
      payment, key: key.map(ScopedKey.init), digest: RequestDigest(request, requestKeys),
      events: try events(payment, request.source, traceparent: traceparent))
    switch try await commits.submit(call, deadline: deadline) {
    case .created: return CreatedPayment(body: call.response.body, paymentID: payment.id, payment: payment)
    case .replayed(let response): return try Self.replayed(response)
    }
  }

  /// What an earlier call with the key was answered; nil when there was none. Reads only: for who has to ask others
  /// before a payment can be taken in, and must not ask them about a repetition.
  /// - Throws: `keyReused` when the earlier call was another request.
  public func replay(
    _ request: PaymentRequest, key: RequestKey, deadline: Instant
  ) async throws(GatewayStoreError) -> CreatedPayment? {
    guard let kept = try await keys.find(ScopedKey(key), in: readers, deadline) else { return nil }
    guard RequestDigest(request, requestKeys).matches(kept.fingerprint) else { throw .keyReused }
    return try Self.replayed(try KeptResponse(reading: kept.answer))
  }

  private static func replayed(_ response: KeptResponse) throws(GatewayStoreError) -> CreatedPayment {
    guard let id = response.paymentID else {
      throw GatewayStoreError(.internal, "the answer kept under the key names no payment")
    }
    return CreatedPayment(body: response.body, paymentID: id, payment: nil)
  }

  /// The processor's event is the first, so that nothing that others are told is in its way.
  private func events(
    _ payment: GatewayPayment, _ source: PaymentRequest.Source, traceparent: String?
  ) throws(GatewayStoreError) -> [NewEvent] {
    let instruction = instruction(payment, source, traceparent: traceparent)
    guard payment.origin != nil else { return [instruction].compactMap(\.self) }
    do throws(JSONError) {
      let messages = try SurfacePayment(payment).map(output.created) ?? []
      return [instruction].compactMap(\.self)
        + messages.enumerated().map { index, message in
          NewEvent(message, of: payment.id, sequence: Int64(index) + 2, traceparent: traceparent)
        }
    } catch {
      throw GatewayStoreError(.internal, "the details of the payment's surface are none", cause: error)
    }
  }

  private func instruction(
    _ payment: GatewayPayment, _ source: PaymentRequest.Source, traceparent: String?
  ) -> NewEvent? {
    let instructed: PaymentInstruction.Source
    switch source {
    case .card: return nil
    case .account(let number): instructed = .account(number: number)
    case .token(let token): instructed = .token(token)
    case .balance(let accountID): instructed = .balance(accountID: accountID)
    case .saved: preconditionFailure("a payment method is looked up before its payment is made")
    }
    let instruction = PaymentInstruction(
      paymentID: payment.id, userID: payment.userID, payeeID: payment.payeeID, source: instructed,
      amount: payment.amount, orderID: payment.orderID, createdAt: payment.createdAt)
    return NewEvent(
      eventID: .random(), key: payment.id.description, sequence: 1, topic: topic, payload: instruction.payload(),
      type: Self.eventType, source: Self.eventSource, traceparent: traceparent, caller: payment.apiKeyID?.description)
  }
}

extension NewEvent {
  /// A message for readers of an older system.
  init(_ message: SurfaceMessage, of payment: UniqueID, sequence: Int64, traceparent: String? = nil) {
    self.init(
      eventID: .random(), key: payment.description, sequence: sequence, topic: message.topic,
      payload: message.payload, type: message.type, source: PaymentIntake.eventSource, traceparent: traceparent,
      headers: message.typeID.map { [Header(SurfaceMessage.typeIDHeader, $0)] } ?? [])
  }
}
