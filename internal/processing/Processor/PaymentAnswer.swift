public import ProcessingDomain

/// What became of a person's wish: to cancel a payment, or to end its review.
public enum PaymentAnswer: Sendable, Hashable {
  /// It is so, now or since an earlier call; the payment as it is.
  case done(ProcessedPayment)
  /// It is not to be; the raw value of the refusal is the code of the API.
  case refused(StepRefusal)
  /// There is no such payment.
  case missing
  /// The payment's row cannot be read, or the database refuses the wish; for the log.
  case faulty(String)
  /// The database did not answer in time. `mayHaveHappened` when the wish may yet be carried out.
  case unavailable(mayHaveHappened: Bool)
}
