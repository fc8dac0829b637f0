public import ProcessingDomain
public import ProcessingStore

/// What became of a caller's wish to have money back.
public enum RefundAnswer: Sendable, Hashable {
  /// It was opened, now or by an earlier call.
  case done(StoredRefund, isRepetition: Bool)
  /// It is not to be; the raw value of the refusal is the code of the API.
  case refused(RefundRefusal)
  /// Its id is that of another wish.
  case differs
  /// Processing has no such payment.
  case missing
  /// A row cannot be read, or the database refuses the wish; for the log.
  case faulty(String)
  /// The database did not answer in time. `mayHaveHappened` when the wish may yet be carried out.
  case unavailable(mayHaveHappened: Bool)
}
