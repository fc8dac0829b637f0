internal import DirectDomain
package import Inbox
package import Kafka
package import Postgres
package import Processor

/// The ways in which a message of `direct.payments` can be done: the label `outcome` of
/// `direct_payments_messages_total`.
package enum InstructionOutcome: String, InboxOutcome {
  /// It was claimed.
  case claimed
  /// Its payment was claimed or ended before.
  case known
  /// It names an account that is not the payer's, and was rejected.
  case refused
}

/// Has payments executed that come by message; one per lane of the inbox.
package struct InstructionHandler: InboxHandler {
  private let processor: PaymentProcessor

  /// A handler for this processor.
  package init(_ processor: PaymentProcessor) { self.processor = processor }

  /// Reads a message of the topic of payments.
  package func sort(_ message: ConsumedMessage) -> InboxSorting<PaymentTerms, InstructionOutcome> {
    do throws(UnreadableMessage) {
      return .work(PaymentTerms(try PaymentInstruction(message.value)))
    } catch {
      return .unusable(reason: error.description)
    }
  }

  /// Claims the payments; the bank is called by tasks of their own.
  package func execute(
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
