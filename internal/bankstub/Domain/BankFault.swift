/// What the bank does wrong with one request. The raw values are those of settings and of the control endpoint.
public enum BankFault: String, Sendable, Hashable, CaseIterable {
  /// The request is carried out; the connection ends without a byte of an answer.
  case lostAnswer = "lost_answer"
  /// The request is carried out; the connection ends in the middle of the answer.
  case cut
  /// The request is read; the connection ends, and nothing was done.
  case closed
  /// 500, and nothing was done.
  case error500 = "error_500"
  /// 500, although the request was carried out.
  case error500Done = "error_500_done"
  /// 401, and nothing was done.
  case unauthorized
  /// The request is carried out; the answer is a page with status 200.
  case html
  /// Nothing is done and nothing is answered.
  case hang
  /// The request is carried out and nothing is answered.
  case hangDone = "hang_done"
  /// The request is carried out; the answer comes a byte a second.
  case drip
  /// The answer has another amount than was charged.
  case otherAmount = "other_amount"
  /// The answer has another operation id.
  case otherID = "other_id"

  /// Whether the request has its effect.
  public var isCarriedOut: Bool {
    switch self {
    case .closed, .error500, .unauthorized, .hang: false
    case .lostAnswer, .cut, .error500Done, .html, .hangDone, .drip, .otherAmount, .otherID: true
    }
  }
}
