import DirectDomain
import ProcessingDomain
import Values

/// A processor or a gateway: what it has in memory.
final class Process {
  let number: Int
  /// Raised by a crash, so that what it had planned does not happen.
  var generation = 0
  var isUp = false
  /// It was stopped by a signal, and goes on from where it was.
  var pausedUntil: Int64 = 0
  var claim = Claim(owner: UniqueID(high: 0, low: 0), epoch: 0)
  /// Payments that wait for the bank, and the "asked at" under which nothing was sent.
  var queue: [(id: UniqueID, after: Timestamp?)] = []
  /// Payments whose "asked at" it has begun to write, until it knows that nothing was sent or has the answer.
  var inHand: Set<UniqueID> = []
  /// Card numbers.
  var cards: Set<UniqueID> = []
  /// Each payment as it was after the process's last transaction.
  var seen: [UniqueID: ProcessedPayment] = [:]

  init(number: Int) { self.number = number }

  func forget() {
    queue = []
    inHand = []
    cards = []
    seen = [:]
  }
}
