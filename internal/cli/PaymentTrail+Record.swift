import Money
import ProcessingStore
import Values

extension PaymentTrail.Attempt {
  /// As it is printed.
  var record: Record {
    [
      "call": .text(call), "operation_id": .uuid(operationID), "asked_at": .time(askedAt),
      "answered_at": .optional(answeredAt), "answer": .optional(answer), "detail": .optional(detail),
    ]
  }
}

extension PaymentTrail.Refund {
  /// As it is printed.
  var record: Record {
    [
      "refund_id": .uuid(id), "status": .text(state), "reason": .optional(reason),
      "amount_minor": .number(amount.minorUnits), "currency": .text(amount.currency.code), "cause": .text(cause),
      "requested_by": .optional(requester),
      "created_at": .time(since), "updated_at": .time(updatedAt),
    ]
  }
}

extension PaymentTrail.Exception {
  /// As it is printed.
  var record: Record {
    [
      "exception": .text(kind), "operation_id": .uuid(operationID), "opened_at": .time(openedAt),
      "detail": .optional(detail), "closed_at": .optional(closedAt), "closed_by": .optional(closedBy),
      "note": .optional(note),
    ]
  }
}
