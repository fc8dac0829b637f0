package import DirectDomain
package import Inbox
package import Kafka
package import Postgres
package import Processor
package import RiskStore
package import Tracing

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
  private let traces: TraceBook

  /// - Parameters:
  ///   - scoring: in the processor's database.
  ///   - traces: learns which payments belong to recorded traces.
  package init(_ processor: PaymentProcessor, scoring: RiskScoring, traces: TraceBook) {
    self.processor = processor
    self.scoring = scoring
    self.traces = traces
  }

  /// Reads a message of the topic of payments.
  package func sort(_ message: ConsumedMessage) -> InboxSorting<DirectMessage, InstructionOutcome> {
    do throws(UnreadableMessage) {
      let read = try DirectMessage(message.value)
      if case .payment(let instruction) = read { traces.note(instruction.paymentID, of: message) }
      return .work(read)
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
    let taken = try traces.tracer.recording(
      "claim payments", terms.count, terms.map { traces.trace(of: $0.paymentID) }
    ) { () throws(DatabaseError) in try processor.execute(terms, on: connection) }
    return taken.map { taken in
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
