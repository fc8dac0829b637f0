package import GRPC
internal import Protobuf
package import SagaDomain
internal import SagaMessages
internal import StandardMessages

/// The handlers of `paymentsapi.PaymentsApi`, the small API that existing callers use.
package struct SmallAPIHandlers: Sendable {
  private let store: any PaymentStore

  /// - Parameter store: settles payments.
  package init(store: any PaymentStore) { self.store = store }

  /// The service with its methods, for a gRPC server.
  package var service: ServiceDefinition {
    let name = "paymentsapi.PaymentsApi"
    return ServiceDefinition(
      name,
      [
        .unary("/\(name)/UpdatePaymentStatus") { (request: PaymentsAPI.PayStatus, context) in
          try await update(request, context)
        },
        .unaryInline("/\(name)/GetPing") { (_: GoogleProtobuf.Empty, _) in PaymentsAPI.Pong(pong: true) },
      ])
  }

  /// True settles as COMPLETED, false as FAILED; an omitted status is false on the wire.
  private func update(_ request: PaymentsAPI.PayStatus, _ context: ServerContext) async throws -> GoogleProtobuf.Empty {
    try await answering { () throws(PaymentError) in
      let command = try SettleCommand(
        orderID: request.orderID, to: request.status ? .completed : .failed, reason: "", trace: context.trace,
        caller: context.caller)
      context.setDeadlineStatus(StatusMapping.openFate)
      _ = try await store.settle(command, deadline: context.deadline)
      return GoogleProtobuf.Empty()
    }
  }
}
