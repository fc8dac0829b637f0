internal import Cards
internal import HTTPClient
public import Logger
public import Metrics
public import Money
internal import ProcessingDomain
public import Runtime
internal import Synchronization
public import Tracing
public import Values

/// How the bank is called.
public struct BankConfiguration: Sendable {
  /// Where the bank's paths begin, such as `https://bank.example/api`, without a slash at the end.
  public var url: String
  /// How long a call may take.
  public var timeout = Duration.seconds(30)
  /// How long a connection may take to be made, TLS included.
  public var connectTimeout = Duration.seconds(5)
  /// The most calls under way, each with a connection of its own; above zero. There are never more than the limit on
  /// open files allows.
  public var maximumCalls = 4_096
  /// The certificates that are trusted, as a PEM file; nil for the system's.
  public var certificateAuthorities: String?

  /// The defaults, for a bank.
  public init(url: String) { self.url = url }
}

/// The bank, over HTTP: docs/direct-payments.md and docs/bank-stub.md have the protocol.
///
/// Any number of calls waits on one thread. A charge or refund is sent once at most, whatever happens.
public final class BankClient: BankAsking, ServicePart {
  private let configuration: BankConfiguration
  private let http: HTTPClient
  private let door: BankDoor
  private let meters: BankMeters
  private let traces: TraceBook
  private let thread = Mutex<WorkerThread?>(nil)

  /// Open files that are left for everything else.
  private static let otherDescriptors = 256

  /// A client; it calls nobody by itself. It raises the process's limit on open files as far as it may.
  /// - Parameter traces: those of payments; calls belong to them, and tell the bank so.
  public init(
    _ configuration: BankConfiguration, logger: Logger, metrics: MetricsRegistry, traces: TraceBook = .off
  ) {
    self.configuration = configuration
    self.traces = traces
    let descriptors = DescriptorLimit.raise()
    let slots = min(configuration.maximumCalls, max(1, descriptors - Self.otherDescriptors))
    if slots < configuration.maximumCalls {
      logger.warning(
        "fewer calls of the bank at a time than wanted: the limit on open files is low",
        ["calls": .number(slots), "wanted": .number(configuration.maximumCalls), "limit": .number(descriptors)])
    }
    var client = HTTPClientConfiguration(userAgent: "paysaga")
    client.connectTimeout = configuration.connectTimeout
    client.maximumRequests = slots
    client.maximumRequestsPerHost = slots
    client.idleConnections = min(slots, 256)
    client.certificateAuthorities = configuration.certificateAuthorities
    http = HTTPClient(client)
    door = BankDoor(slots: slots, logger: logger, metrics: metrics)
    meters = BankMeters(metrics)
  }

  /// Begins to call those who wait for slots.
  public func start() { thread.withLock { $0 = door.start() } }

  /// Waits for calls under way; those that last longer end as `unclear`.
  public func stop(until deadline: Instant) {
    http.stop(until: deadline)
    door.stop()
    thread.withLock { $0 }?.join()
  }

  public func reserve(_ wanted: Int) -> Int { door.reserve(wanted) }

  public func release(_ slots: Int) { door.release(slots) }

  public func whenFree(_ body: @escaping @Sendable () -> Void) { door.whenFree(body) }

  public func charge(_ charge: BankCharge, sendBy: Instant) async -> BankReply {
    var request = HTTPClientRequest(
      "POST", "\(configuration.url)/payment", headers: [Self.json], body: ChargeBody(charge),
      timeout: configuration.timeout, maximumResponse: BankAnswerReader.maximumBytes)
    request.sendBy = sendBy
    let reader = BankAnswerReader(
      .charge, operationID: charge.operationID, userID: charge.userID, amount: charge.amount)
    let reply = await call(.charge, request, of: charge.operationID, reader)
    guard case .card(let card) = charge.source, card.isQuoted(in: reply.detail) else { return reply }
    return BankReply(reply.answer, "the bank's words hold card data and are left out", token: reply.token)
  }

  public func refund(_ refund: BankRefund, sendBy: Instant) async -> BankReply {
    var request = HTTPClientRequest(
      "POST", "\(configuration.url)/payment/\(refund.chargeID)/refund", headers: [Self.json], body: refund.body,
      timeout: configuration.timeout, maximumResponse: BankAnswerReader.maximumBytes)
    request.sendBy = sendBy
    return await call(
      .refund, request, of: refund.chargeID,
      BankAnswerReader(.refund, operationID: refund.operationID, userID: refund.userID, amount: refund.amount))
  }

  public func inquire(_ operationID: UniqueID, userID: UniqueID, amount: Money) async -> BankReply {
    let request = HTTPClientRequest(
      "GET", "\(configuration.url)/payment/\(operationID)", timeout: configuration.timeout,
      maximumResponse: BankAnswerReader.maximumBytes)
    return await call(
      .inquire, request, of: operationID,
      BankAnswerReader(.inquire, operationID: operationID, userID: userID, amount: amount))
  }

  public func reverse(_ operationID: UniqueID, userID: UniqueID, amount: Money) async -> BankReply {
    let request = HTTPClientRequest(
      "POST", "\(configuration.url)/payment/\(operationID)/reverse", headers: [Self.json], body: Array("{}".utf8),
      timeout: configuration.timeout, maximumResponse: BankAnswerReader.maximumBytes)
    return await call(
      .reverse, request, of: operationID,
      BankAnswerReader(.reverse, operationID: operationID, userID: userID, amount: amount))
  }

  private static let json = (name: "Content-Type", value: "application/json")

  /// - Parameter payment: whose trace the call belongs to.
  private func call(
    _ call: BankCall, _ request: HTTPClientRequest, of payment: UniqueID, _ reader: BankAnswerReader
  ) async -> BankReply {
    let span = traces.tracer.part(
      "bank \(call.rawValue)", .client, of: traces.trace(of: payment),
      [
        SpanAttribute("http.request.method", request.method),
        SpanAttribute("paysaga.payment_id", payment.description),
      ])
    var request = request
    if let span { request.headers.append(span.context.header) }
    let pass = door.begin()
    let began = Instant.now()
    let result = await withCheckedContinuation { continuation in
      http.send(request) { continuation.resume(returning: $0) }
    }
    let (reply, outcome) = Self.judge(result, reader)
    door.end(pass, outcome, reply.detail)
    meters.note(call, reply.answer, Instant.now() - began)
    span?.note(SpanAttribute("paysaga.bank_answer", reply.answer.rawValue))
    span?.end(error: outcome == .failed ? reply.answer.rawValue : nil)
    return reply
  }

  private static func judge(
    _ result: Result<HTTPClientResponse, HTTPClientError>, _ reader: BankAnswerReader
  ) -> (BankReply, BankBreaker.Outcome) {
    switch result {
    case .success(let response):
      let reading = reader.read(
        status: response.status, mediaType: response.header("Content-Type"), body: response.body)
      return (reading.reply, reading.isFromBank ? .answered : .failed)
    case .failure(let error):
      let answer = error.nothingWasSent ? BankAnswer.notSent : .unclear
      return (BankReply(answer, error.message), outcome(of: error.code))
    }
  }

  private static func outcome(of code: HTTPClientError.Code) -> BankBreaker.Outcome {
    switch code {
    // Ours, not the bank's.
    case .invalidRequest, .overloaded, .tooLate, .cancelled: .neither
    case .unknownHost, .refusedAddress, .connectionFailed, .tls, .timedOut, .connectionLost, .responseTooLarge,
      .invalidResponse:
      .failed
    }
  }
}

/// Counts the calls.
private struct BankMeters: Sendable {
  private let calls: [BankCall: [BankAnswer: Counter]]
  private let seconds: [BankCall: Histogram]

  init(_ metrics: MetricsRegistry) {
    var calls: [BankCall: [BankAnswer: Counter]] = [:]
    var seconds: [BankCall: Histogram] = [:]
    for call in BankCall.allCases {
      for answer in BankAnswer.allCases {
        calls[call, default: [:]][answer] = metrics.counter(
          "bank_calls_total", help: "Calls of the bank, by what they were for and what came of them.",
          labels: ["call": call.rawValue, "answer": answer.rawValue])
      }
      seconds[call] = metrics.histogram(
        "bank_call_seconds", help: "Duration of calls of the bank.", labels: ["call": call.rawValue],
        bounds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60])
    }
    self.calls = calls
    self.seconds = seconds
  }

  func note(_ call: BankCall, _ answer: BankAnswer, _ duration: Duration) {
    calls[call]?[answer]?.add()
    seconds[call]?.observe(duration.inSeconds)
  }
}
