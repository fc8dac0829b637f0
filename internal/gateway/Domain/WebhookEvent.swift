internal import DirectDomain
public import Values

/// What a webhook tells of: a payment, or a refund of it, came into a state.
public struct WebhookEvent: Sendable, Hashable {
  /// The payment.
  public let paymentID: UniqueID
  /// The refund, when it is one that came into the state.
  public let refundID: UniqueID?
  /// The state.
  public let standing: PaymentStanding

  /// An event as a table has it.
  public init(paymentID: UniqueID, refundID: UniqueID?, standing: PaymentStanding) {
    self.paymentID = paymentID
    self.refundID = refundID
    self.standing = standing
  }

  /// Its type, such as `payment.completed`.
  public var type: String { "\(refundID == nil ? "payment" : "refund").\(standing.state.rawValue.lowercased())" }
}

/// What a webhook's body shows of its event.
public enum WebhookData: Sendable, Hashable {
  /// The payment or refund as `/v1` shows it, in the state of the event.
  case json([UInt8])
  /// It is nowhere, and will not come back.
  case missing
  /// Its row is not as this version expects.
  case unreadable(reason: String)
}

/// The types of events that an endpoint is told of.
public enum WebhookPattern {
  /// The kinds of things that events are about.
  private static let subjects = ["payment", "refund"]

  /// All that may stand in a list of types: `*`, `payment.*` and each type.
  public static let all: [String] =
    ["*"]
    + subjects.flatMap { subject in
      ["\(subject).*"]
        + PaymentState.allCases.compactMap { state in
          // A refund begins as PROCESSING.
          subject == "refund" && state == .created ? nil : "\(subject).\(state.rawValue.lowercased())"
        }
    }
}

/// One event for one endpoint, and what became of it.
public struct WebhookDelivery: Sendable, Hashable {
  /// What became of it.
  public enum Outcome: Sendable, Hashable {
    /// It will be sent at this moment, or as soon as it can be after it.
    case pending(dueAt: Timestamp)
    /// The receiver has taken it.
    case delivered(at: Timestamp)
    /// Nobody tries any more.
    case failed(Failure, at: Timestamp)

    /// As callers see it.
    public var word: String {
      switch self {
      case .pending: "pending"
      case .delivered: "delivered"
      case .failed: "failed"
      }
    }
  }

  /// Why nobody tries any more. The raw values are those of tables and API.
  public enum Failure: String, Sendable, Hashable {
    /// Each attempt of the schedule has failed.
    case exhausted = "attempts_exhausted"
    /// The endpoint was disabled.
    case disabled = "endpoint_disabled"
    /// The endpoint was deleted.
    case deleted = "endpoint_deleted"
    /// The payment or refund that it tells of is nowhere: neither among the live ones nor in the archive.
    case missing = "payment_missing"
  }

  /// What the receiver sees as `webhook-id`: the same in all attempts, and of no other event and endpoint.
  public let id: UniqueID
  /// Where it is sent.
  public let endpointID: UniqueID
  /// What it tells.
  public let event: WebhookEvent
  /// When the event was written.
  public let createdAt: Timestamp
  /// How often it was tried.
  public let attempts: Int64
  /// What became of it.
  public let outcome: Outcome

  /// A delivery as a table has it.
  public init(
    id: UniqueID, endpointID: UniqueID, event: WebhookEvent, createdAt: Timestamp, attempts: Int64, outcome: Outcome
  ) {
    self.id = id
    self.endpointID = endpointID
    self.event = event
    self.createdAt = createdAt
    self.attempts = attempts
    self.outcome = outcome
  }
}

/// One attempt to deliver.
public struct WebhookAttempt: Sendable, Hashable {
  /// The most bytes that are kept of an answer.
  public static let maximumAnswer = 1_024

  /// Counted from 1.
  public let number: Int64
  /// When it began.
  public let at: Timestamp
  /// When it had ended.
  public let endedAt: Timestamp
  /// The status of the answer; nil where there was none.
  public let status: Int?
  /// Why there was no answer, or none that counts.
  public let error: String?
  /// The first bytes of the answer.
  public let answer: [UInt8]

  /// An attempt as a table has it.
  public init(number: Int64, at: Timestamp, endedAt: Timestamp, status: Int?, error: String?, answer: [UInt8]) {
    self.number = number
    self.at = at
    self.endedAt = endedAt
    self.status = status
    self.error = error
    self.answer = answer
  }
}
