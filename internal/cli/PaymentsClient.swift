import GRPC
import HTTP2
import Protobuf
import SagaMessages
import SagaSettings
import Settings
import StandardMessages
import Values

/// Calls `payments.v1.PaymentService`; its errors say in words what the status means here.
struct PaymentsClient {
  private let timeout: Duration
  private let client: GRPCClient
  private let address: NetworkAddress

  /// - Throws: a usage error for an address or a file that cannot be used.
  init(_ server: ServerTarget, _ session: Session) throws(CommandError) {
    let chosen = server.address ?? session.settings.server.address
    timeout = session.patience(.seconds(10))
    guard chosen.port != 0 else {
      throw .usage("SERVER_GRPC_ADDR has port 0, which says nothing to a caller; use --server HOST:PORT")
    }
    address = chosen.called
    client = GRPCClient(
      address: address, userAgent: "paysaga-grpc-swift",
      tls: try server.tlsContext())
  }

  func get(_ order: Int64) throws(CommandError) -> PaymentsV1.Payment {
    try call("GetPayment", PaymentsV1.GetPaymentRequest(orderID: order), PaymentsV1.Payment.self)
  }

  /// The payment of an order; nil where there is none.
  func find(_ order: Int64) throws(CommandError) -> PaymentsV1.Payment? {
    let request = PaymentsV1.GetPaymentRequest(orderID: order)
    switch answer("GetPayment", request, PaymentsV1.Payment.self) {
    case .success(let payment): return payment
    case .failure(let status) where status.code == .notFound: return nil
    case .failure(let status): throw Self.explain(status, address, timeout)
    }
  }

  func settle(
    _ order: Int64, _ status: PaymentsV1.PaymentStatus, reason: String
  ) throws(CommandError) -> PaymentsV1.Payment {
    try call(
      "UpdatePaymentStatus", PaymentsV1.UpdatePaymentStatusRequest(orderID: order, status: status, reason: reason),
      PaymentsV1.Payment.self)
  }

  func list(_ request: PaymentsV1.ListPaymentsRequest) throws(CommandError) -> PaymentsV1.ListPaymentsResponse {
    try call("ListPayments", request, PaymentsV1.ListPaymentsResponse.self)
  }

  private func call<Request: ProtobufMessage, Reply: ProtobufMessage>(
    _ method: String, _ request: Request, _ reply: Reply.Type
  ) throws(CommandError) -> Reply {
    switch answer(method, request, reply) {
    case .success(let reply): return reply
    case .failure(let status): throw Self.explain(status, address, timeout)
    }
  }

  private func answer<Request: ProtobufMessage, Reply: ProtobufMessage>(
    _ method: String, _ request: Request, _ reply: Reply.Type
  ) -> Result<Reply, GRPCStatus> {
    do throws(GRPCStatus) {
      let answer = try client.unary(
        "/payments.v1.PaymentService/\(method)", request, returning: reply, timeout: timeout)
      remark("from \(address)")
      return .success(answer)
    } catch {
      return .failure(error)
    }
  }

  static func explain(
    _ status: GRPCStatus, _ address: NetworkAddress, _ timeout: Duration
  ) -> CommandError {
    let said = printable(status.description)
    // The server's own refusals carry details; without them the connection itself is what failed.
    switch status.code {
    case .unavailable where status.details == nil:
      return .failure(
        "no answer from the server at \(address) (\(said)); is payments-server running? `make up` starts the local stack; one with TLS needs --tls-ca"
      )
    case .deadlineExceeded:
      return .failure(
        "the server at \(address) did not answer within \(DurationText.format(timeout)); it may have done it all the "
          + "same, and doing it again is safe")
    case .unavailable: return .failure("\(said) (from \(address)); doing it again is safe")
    case .cancelled, .internal, .unknown, .unimplemented:
      return .failure(
        "the call to \(address) failed (\(said)); is it a payments-server of this version that listens there?")
    default: return .failure("\(said) (from \(address))")
    }
  }
}

extension Record {
  /// A payment as it is printed.
  init(_ payment: PaymentsV1.Payment) {
    func time(_ value: GoogleProtobuf.Timestamp?) -> Value {
      .optional(value?.microsecondsSince1970.map { Timestamp(microseconds: $0) })
    }
    self = [
      "order_id": .number(payment.orderID), "status": .text(payment.status.word), "payment_id": .number(payment.id),
      "version": .number(payment.version), "reason": .text(payment.reason),
    ]
    if !payment.currency.isEmpty {
      append("amount_minor", .number(payment.amountMinor))
      append("currency", .text(payment.currency))
    }
    append("created_at", time(payment.createdAt))
    append("updated_at", time(payment.updatedAt))
    append("expires_at", payment.status == .created ? time(payment.expiresAt) : .null)
  }
}

extension PaymentsV1.PaymentStatus {
  /// As the topics and the tables write it.
  var word: String {
    switch self {
    case .created: "CREATED"
    case .completed: "COMPLETED"
    case .failed: "FAILED"
    case .unspecified: "UNSPECIFIED"
    case .unrecognized(let number): "\(number)"
    }
  }
}
