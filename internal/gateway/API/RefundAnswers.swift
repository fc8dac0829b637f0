internal import DirectDomain
internal import GatewayDomain
internal import HTTPServer
internal import Money
internal import ProcessingDomain
internal import ProcessingStore
internal import Values

/// Refunds as `/v1` shows them.
enum RefundAnswers {
  /// A refund as it was opened, whatever became of it since: what the call that opened it was answered.
  static func opened(_ refund: StoredRefund, isRepetition: Bool) -> HTTPResponse {
    let payment = refund.stored.payment
    // Without a bank it ends in the transaction that opens it.
    let (state, version): (PaymentState, Int64) = payment.method.needsBank ? (.processing, 2) : (.completed, 3)
    let standing = PaymentStanding(state: state, reason: nil, version: version, since: payment.since)
    return created(refund, standing, isRepetition: isRepetition)
  }

  /// A refund as it is now.
  static func now(_ refund: StoredRefund, isRepetition: Bool) -> HTTPResponse {
    created(refund, PaymentStanding(refund), isRepetition: isRepetition)
  }

  static func list(_ refunds: [StoredRefund]) -> HTTPResponse {
    let body = JSONWriter.object(reserving: 64 + 384 * refunds.count) { object in
      object.add("data", refunds.map { refund in Part { Self.refund(refund, PaymentStanding(refund), into: &$0) } })
    }
    return .json(200, body)
  }

  /// A refund in a state that it has had.
  static func bytes(_ refund: StoredRefund, _ standing: PaymentStanding) -> [UInt8] {
    JSONWriter.object(reserving: 384) { Self.refund(refund, standing, into: &$0) }
  }

  private static func created(_ refund: StoredRefund, _ standing: PaymentStanding, isRepetition: Bool) -> HTTPResponse {
    var response = HTTPResponse.json(201, bytes(refund, standing))
    if isRepetition { response.add(IdempotencyKeyHeader.replayed, "true") }
    return response
  }

  private static func refund(_ refund: StoredRefund, _ standing: PaymentStanding, into object: inout JSONObjectWriter) {
    let payment = refund.stored.payment
    object.add("id", payment.id)
    object.add("payment_id", payment.refundOf)
    object.add("status", standing.state.rawValue)
    object.add("status_reason", standing.reason?.rawValue)
    object.add("version", standing.version)
    object.add("amount", payment.amount.minorUnits)
    object.add("currency", payment.amount.currency.code)
    object.add("cause", payment.refund?.cause.rawValue)
    object.add("reason", refund.note)
    object.add("created_at", payment.since)
    object.add("updated_at", standing.since)
  }
}

extension PaymentStanding {
  fileprivate init(_ refund: StoredRefund) {
    let payment = refund.stored.payment
    self.init(
      state: payment.state, reason: payment.reason, version: payment.version,
      since: max(payment.since, refund.updatedAt))
  }
}
