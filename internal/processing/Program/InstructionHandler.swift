package import DirectDomain
package import Inbox
package import Kafka
package import Postgres
package import Processor
package import RiskStore

/// The ways in which a message of `direct.payments` can be done: the label `outcome` of
/// `direct_payments_messages_total`.
package enum InstructionOutcome: String, InboxOutcome {
  /// It was claimed.
  case claimed
  /// Its payment was claimed or ended, or its request scored, before.
  case known
  /// It names an account that is not the payer's, and was rejected.
  case refused
  /// Its request was scored.
  case scored
}

/// Has payments executed that come by message, and requests scored; one per lane of the inbox.
package struct InstructionHandler: InboxHandler {
  private let processor: PaymentProcessor
  private let scoring: RiskScoring

  /// - Parameter scoring: in the processor's database.
  package init(_ processor: PaymentProcessor, scoring: RiskScoring) {
    self.processor = processor
    self.scoring = scoring
  }

  /// Reads a message of the topic of payments.
  package func sort(_ message: ConsumedMessage) -> InboxSorting<DirectMessage, InstructionOutcome> {
    do throws(UnreadableMessage) {
      return .work(try DirectMessage(message.value))
    } catch {
      return .unusable(reason: error.description)
    }
  }

  /// Claims the payments, of which the bank is called by tasks of their own, and scores the requests, each in a
  /// transaction: when the second fails, the first is found to be done.
  package func execute(
    _ messages: [DirectMessage], on connection: Connection
  ) throws(DatabaseError) -> [InboxResult<InstructionOutcome>] {
    var terms: [PaymentTerms] = []
    var requests: [ScoringRequest] = []
    for message in messages {
      switch message {
      case .payment(let instruction): terms.append(PaymentTerms(instruction))
      case .score(let request): requests.append(request)
      }
    }
    var claims = try terms.isEmpty ? [] : claim(terms, on: connection)[...]
    var scores = try requests.isEmpty ? [] : scoring.score(requests, on: connection)[...]
    return messages.map { message in
      switch message {
      case .payment: claims.removeFirst()
      case .score: .done(scores.removeFirst() ? .scored : .known)
      }
    }
  }

  private func claim(
    _ terms: [PaymentTerms], on connection: Connection
  ) throws(DatabaseError) -> [InboxResult<InstructionOutcome>] {
    try processor.execute(terms, on: connection).map { taken in
      switch taken {
      case .claimed: .done(.claimed)
      case .known: .done(.known)
      case .refused: .done(.refused)
      case .unreadable: .unusable(reason: "the row of the payment cannot be read")
      }
    }
  }

  /// Blames the message for values that the tables refuse.
  package func reasonToRefuse(_ error: DatabaseError) -> String? {
    PaymentProcessor.refusesValues(error) ? "the database refused the payment: \(error.message)" : nil
  }
}
