import DirectDomain
import ProcessingDomain
import Values

/// A processor or a gateway: what it has in memory.
final class Process {
  let number: Int
  /// Raised by a crash, so that what it had planned does not happen.
  var generation = 0
  /// How often it has registered.
  var owners = 0
  var isUp = false
  /// It was stopped by a signal, and goes on from where it was.
  var pausedUntil: Int64 = 0
  var claim = Claim(owner: UniqueID(high: 0, low: 0), epoch: 0)
  /// Cards that wait for the bank. All else waits in the tables.
  var queue: [(id: UniqueID, claim: Claim)] = []
  /// Payments whose "asked at" it has begun to write, until the tables have the answer; and those it asks about.
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
