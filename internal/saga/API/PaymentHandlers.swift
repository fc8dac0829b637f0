package import GRPC
internal import Protobuf
package import SagaDomain
internal import SagaMessages
internal import StandardMessages
internal import Values

/// The handlers of `payments.v1.PaymentService`.
package struct PaymentHandlers: Sendable {
  private let store: any PaymentStore
  private let creating: CreateHandler
  private let watches: WatchHub

  /// - Parameters:
  ///   - store: reads and settles payments.
  ///   - creating: opens them.
  ///   - watches: brings their changes to watchers.
  package init(store: any PaymentStore, creating: CreateHandler, watches: WatchHub) {
    self.store = store
    self.creating = creating
    self.watches = watches
  }

  /// No request of payments comes near this; it bounds what a compressed one may expand to.
  private static let largestRequest = 16 << 10

  /// The service with its methods, for a gRPC server.
  package var service: ServiceDefinition {
    let name = "payments.v1.PaymentService"
    return ServiceDefinition(
      name,
      [
        .unary("/\(name)/CreatePayment") { (request: PaymentsV1.CreatePaymentRequest, context) in
          try await creating.create(request, context)
        },
        .unary("/\(name)/GetPayment") { (request: PaymentsV1.GetPaymentRequest, context) in
          PaymentsV1.Payment(try await find(request.orderID, context))
        },
        .unary("/\(name)/ListPayments") { (request: PaymentsV1.ListPaymentsRequest, context) in
          try await list(request, context)
        },
        .unary("/\(name)/UpdatePaymentStatus") { (request: PaymentsV1.UpdatePaymentStatusRequest, context) in
          try await update(request, context)
        },
        .serverStreaming("/\(name)/WatchPayment") { (request: PaymentsV1.WatchPaymentRequest, context, writer) in
          try await watch(request, context, writer)
        },
      ]
    ).limited(to: Self.largestRequest)
  }

  private func find(_ orderID: Int64, _ context: ServerContext) async throws -> Payment {
    try await answering { () throws(PaymentError) in
      try SettleCommand.check(orderID: orderID)
      guard let payment = try await store.find(orderID: orderID, deadline: context.deadline) else {
        throw PaymentError(.notFound, "order \(orderID) has no payment")
      }
      return payment
    }
  }

  private func list(_ request: PaymentsV1.ListPaymentsRequest, _ context: ServerContext) async throws
    -> PaymentsV1.ListPaymentsResponse
  {
    try await answering { () throws(PaymentError) in
      let status = request.status.domainStatus
      guard status != nil || request.status == .unspecified else {
        throw PaymentError(
          .invalidArgument, "status \(request.status.number) is not a payment's status", field: "status")
      }
      let query = try PaymentQuery(status: status, pageSize: Int(request.pageSize), try Self.order(of: request))
      let page = try await store.list(query, deadline: context.deadline)
      let word = request.newestFirst ? Self.before : Self.after
      return PaymentsV1.ListPaymentsResponse(
        payments: page.payments.map { PaymentsV1.Payment($0) }, nextPageToken: page.next.map { "\(word)\($0)" } ?? "")
    }
  }

  /// How a token begins: with what it is an id of.
  private static let after = "after-"
  private static let before = "before-"

  private static func order(of request: PaymentsV1.ListPaymentsRequest) throws(PaymentError) -> PaymentQuery.Order {
    guard request.newestFirst else {
      guard request.createdSince == nil else {
        throw PaymentError(.invalidArgument, "created_since needs newest_first", field: "created_since")
      }
      return .oldestFirst(after: try position(request.pageToken, after) ?? 0)
    }
    var since: Timestamp?
    if let given = request.createdSince {
      guard let microseconds = given.microsecondsSince1970 else {
        throw PaymentError(.invalidArgument, "created_since must be a valid time", field: "created_since")
      }
      since = Timestamp(microseconds: microseconds)
    }
    return .newestFirst(before: try position(request.pageToken, before), since: since)
  }

  private static func position(_ token: String, _ word: String) throws(PaymentError) -> Int64? {
    if token.isEmpty { return nil }
    guard token.hasPrefix(word), let id = Int64(token.dropFirst(word.count)), id > 0 else {
      throw PaymentError(
        .invalidArgument, "page_token must be a next_page_token of an earlier answer", field: "page_token")
    }
    return id
  }

  private func update(_ request: PaymentsV1.UpdatePaymentStatusRequest, _ context: ServerContext) async throws
    -> PaymentsV1.Payment
  {
    try await answering { () throws(PaymentError) in
      let final = try Self.finalStatus(request.status)
      let command = try SettleCommand(
        orderID: request.orderID, to: final, reason: request.reason, trace: context.trace, caller: context.caller)
      context.setDeadlineStatus(StatusMapping.openFate)
      return PaymentsV1.Payment(try await store.settle(command, deadline: context.deadline))
    }
  }

  private static func finalStatus(_ status: PaymentsV1.PaymentStatus) throws(PaymentError) -> FinalStatus {
    switch status {
    case .completed: .completed
    case .failed: .failed
    default:
      throw PaymentError(
        .invalidArgument, "status must be COMPLETED or FAILED, found number \(status.number)", field: "status")
    }
  }

  /// Sends the payment as it is, then each change as it commits, until it is final.
  private func watch(
    _ request: PaymentsV1.WatchPaymentRequest, _ context: ServerContext,
    _ writer: ResponseWriter<PaymentsV1.Payment>
  ) async throws {
    // The watch begins before the first look, so that no change falls between the two.
    guard let changes = watches.watch(orderID: request.orderID) else {
      throw StatusMapping.status(PaymentError(.overloaded, "too many payments are being watched"))
    }
    var last = try await find(request.orderID, context)
    try await writer.write(PaymentsV1.Payment(last))
    if last.status.isFinal { return }
    for await change in changes {
      let payment = try await answering { () throws(PaymentError) in try change.get() }
      guard payment.version > last.version else { continue }
      last = payment
      try await writer.write(PaymentsV1.Payment(payment))
      if payment.status.isFinal { return }
    }
    // The stream ends early when the call is cancelled or the server stops.
    throw GRPCStatus(.unavailable, "the watch ended before the payment was final; watch again")
  }
}
