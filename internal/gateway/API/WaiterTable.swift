internal import Values

/// Tracks which requests wait for which payments, and which payments are to be read for them. Decides only.
///
/// A waiter is answered from a reading of its payment that began after the waiter came: as soon as the row is final, or
/// with the row as it is once the waiter's time is up. After the first reading, nothing is read for a waiter until its
/// payment has changed.
struct WaiterTable<Waiter> {
  /// A waiter's number, which no other has.
  typealias ID = UInt64

  struct Limits {
    /// The most payments of one reading.
    var batch = 1_000
    /// How long nothing is read after a reading that failed.
    var pause = Duration.milliseconds(250)
    /// Deadlines are looked at together: the shortest time between two looks, and how late an answer may be.
    var look = Duration.milliseconds(20)
  }

  /// A waiter that has left the table, and what it is to be told.
  struct Answer {
    let waiter: Waiter
    let payment: UniqueID
  }

  private struct Entry {
    let payment: UniqueID
    let deadline: Instant
    /// Readings up to this one began before the waiter came.
    let joined: Int
    /// The next reading answers it.
    var isEnding: Bool
    var wasRead = false
    let waiter: Waiter
  }

  private let limits: Limits
  private var entries: [ID: Entry] = [:]
  private var waiters: [UniqueID: FewIDs] = [:]
  private var nextID: ID = 0
  /// Payments to be read, those that waited longest first, each once.
  private var queue: [UniqueID] = []
  private var queued: Set<UniqueID> = []
  /// The number of the reading that began last.
  private var reading = 0
  private var pausedUntil = Instant(nanoseconds: 0)
  /// No deadline of a waiter that is not ending is earlier.
  private var earliestDeadline = Instant.distantFuture
  private var nextLook = Instant(nanoseconds: 0)
  private var isDraining = false

  init(_ limits: Limits = Limits()) { self.limits = limits }

  /// Waiters that have no answer.
  var count: Int { entries.count }

  /// - Parameter deadline: when its time is up; one that has passed asks for the row as it is.
  mutating func add(_ waiter: Waiter, for payment: UniqueID, until deadline: Instant, at now: Instant) -> ID {
    let waits = deadline > now && !isDraining
    nextID += 1
    entries[nextID] = Entry(
      payment: payment, deadline: deadline, joined: reading, isEnding: !waits, waiter: waiter)
    waiters[payment, default: FewIDs()].append(nextID)
    if waits { earliestDeadline = min(earliestDeadline, deadline) }
    enqueue(payment)
    return nextID
  }

  /// The waiter has left.
  /// - Returns: the waiter, unless it was answered before.
  mutating func remove(_ id: ID) -> Waiter? {
    guard let entry = entries.removeValue(forKey: id) else { return nil }
    // Where it is, since many may wait for one payment.
    waiters[entry.payment]?.remove(id)
    if waiters[entry.payment]?.isEmpty ?? false { waiters[entry.payment] = nil }
    return entry.waiter
  }

  /// Payments have changed; those for which nobody waits are passed over.
  mutating func changed(_ payments: some Sequence<UniqueID>) {
    for payment in payments where waiters[payment] != nil { enqueue(payment) }
  }

  /// Any payment may have changed.
  mutating func changedPerhaps() { changed(waiters.keys) }

  /// Answers all waiters with what is known, from now on also those that come.
  mutating func drain() {
    isDraining = true
    for id in entries.keys { entries[id]?.isEnding = true }
    earliestDeadline = .distantFuture
    changedPerhaps()
  }

  /// When `takeBatch` may have something to do, unless something changes before.
  var wakeup: Instant { queue.isEmpty ? max(earliestDeadline, nextLook) : pausedUntil }

  /// The payments of the next reading, which begins; none when there is nothing to read. To be called again only after
  /// `finish` or `fail`.
  mutating func takeBatch(at now: Instant) -> [UniqueID] {
    if max(earliestDeadline, nextLook) <= now { endOverdue(now) }
    guard pausedUntil <= now else { return [] }
    var batch: [UniqueID] = []
    var taken = 0
    while taken < queue.count, batch.count < limits.batch {
      let payment = queue[taken]
      taken += 1
      queued.remove(payment)
      if waiters[payment] != nil { batch.append(payment) }
    }
    queue.removeFirst(taken)
    if !batch.isEmpty { reading += 1 }
    return batch
  }

  /// The reading is done.
  /// - Parameters:
  ///   - batch: what `takeBatch` returned.
  ///   - isFinal: whether the row of a payment is final; nil where there is no row.
  /// - Returns: the waiters to be answered, from the rows.
  mutating func finish(_ batch: [UniqueID], _ isFinal: (UniqueID) -> Bool?) -> [Answer] {
    var answers: [Answer] = []
    for payment in batch {
      let isFinal = isFinal(payment)
      answer(payment, &answers) { $0.isEnding || isFinal != false }
    }
    return answers
  }

  /// The reading failed.
  /// - Returns: the waiters that cannot wait for another one: their time is up, or nothing was ever read for them.
  mutating func fail(_ batch: [UniqueID], at now: Instant) -> [Answer] {
    pausedUntil = now + limits.pause
    var answers: [Answer] = []
    for payment in batch {
      answer(payment, &answers) { $0.isEnding || !$0.wasRead }
      if waiters[payment] != nil { enqueue(payment) }
    }
    return answers
  }

  /// Takes those waiters of the payment out that were there when the reading began and are to be answered.
  private mutating func answer(_ payment: UniqueID, _ answers: inout [Answer], if isDue: (Entry) -> Bool) {
    // The list is made anew once: as many may wait for one payment as for all.
    var staying = FewIDs()
    for id in waiters.removeValue(forKey: payment) ?? FewIDs() {
      guard let entry = entries[id] else { continue }
      if entry.joined < reading, isDue(entry) {
        answers.append(Answer(waiter: entry.waiter, payment: payment))
        entries[id] = nil
        continue
      }
      if entry.joined < reading { entries[id]?.wasRead = true }
      staying.append(id)
    }
    if !staying.isEmpty { waiters[payment] = staying }
  }

  private mutating func endOverdue(_ now: Instant) {
    var earliest = Instant.distantFuture
    for (id, entry) in entries where !entry.isEnding {
      guard entry.deadline <= now else {
        earliest = min(earliest, entry.deadline)
        continue
      }
      entries[id]?.isEnding = true
      enqueue(entry.payment)
    }
    earliestDeadline = earliest
    nextLook = now + limits.look
  }

  private mutating func enqueue(_ payment: UniqueID) {
    if queued.insert(payment).inserted { queue.append(payment) }
  }
}
