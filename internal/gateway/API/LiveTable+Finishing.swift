internal import DirectDomain
internal import GatewayDomain
internal import GatewayStore
internal import Values

extension LiveTable {
  /// The payments of the reading, `payments` and `ofAll` together, were read.
  mutating func finish(_ taken: LiveReading, _ found: FoundPayments, at now: Timestamp) -> [LiveStep<Follower>] {
    var steps: [LiveStep<Follower>] = []
    // A position must not pass what waits to be shown.
    let moment = taken.payments.isEmpty ? noticed(until: now) : min(now, readingSince)
    for id in taken.payments { finish(id, found[id], &steps, at: moment) }
    for case .success(let payment) in taken.ofAll.compactMap({ found[$0] }) {
      for id in ofAll { show(payment, to: id, &steps, at: moment) }
    }
    return steps
  }

  private mutating func finish(
    _ payment: UniqueID, _ row: Result<GatewayPayment, GatewayStoreError>?, _ steps: inout [LiveStep<Follower>],
    at now: Timestamp
  ) {
    for id in ofPayment[payment] ?? FewIDs() {
      // Who came since may follow a payment that is younger than the reading; it is read again.
      guard let entry = entries[id], entry.joined < reading else { continue }
      switch row {
      case nil:
        _ = remove(id)
        steps.append(.missing(entry.follower))
      case .failure(let error):
        _ = remove(id)
        steps.append(.trouble(entry.follower, error))
      case .success(let payment): show(payment, to: id, &steps, at: now)
      }
    }
    guard changedOnes.contains(payment), case .success(let payment) = row, let followers = ofUser[payment.userID],
      recent.isNew(payment.id, payment.standing.version)
    else { return }
    for id in followers { show(payment, to: id, &steps, at: now) }
  }

  /// A page was read.
  /// - Parameters:
  ///   - found: ascending.
  ///   - next: the first payment of the next page.
  mutating func finish(
    _ page: LiveReading.Page, _ found: [GatewayPayment], next: UniqueID?, at now: Timestamp
  ) -> [LiveStep<Follower>] {
    let id = page.stream
    guard let entry = entries[id] else { return [] }
    // A position must not pass what it was not told either.
    let moment = min(noticed(until: now), entry.missedSince ?? now)
    var steps: [LiveStep<Follower>] = []
    switch entry.progress {
    case .payment: return []
    case .all(let waits):
      for payment in found { steps.append(event(id, entry, payment, at: nil)) }
      if case .reading = waits { entries[id]?.progress = .all(waits: nil) }
    case .user(let user, var position, var waits):
      for payment in found {
        // One by one: the stream may end, or stall, at each of them.
        let before = LivePlace(
          position: position, start: page.start ?? payment.id, missedSince: entry.missedSince)
        position.reach(min(payment.id, LivePosition(at: moment).start))
        position.sent(payment.id, isFinal: payment.standing.state.isFinal)
        steps.append(.paged(id, entry.follower, payment, id: position.text, before: before))
      }
      if !found.isEmpty { entries[id]?.hasBegun = true }
      // Otherwise changes may have gone unnoticed meanwhile, and it waits for another page.
      if case .reading = waits {
        waits = next.map { .next($0, start: page.start ?? $0) }
        if next == nil { position.reach(now: moment) }
        if next == nil, entry.missedSince != nil {
          entries[id]?.missedSince = nil
          waits = .resumption
        }
        if waits != nil { pages.append(id) }
      }
      entries[id]?.progress = .user(user, position, waits: waits)
    }
    if found.isEmpty { steps.append(ready(id, entry.follower)) }
    return steps
  }

  /// The caller has no room for a payment of a page that was just finished: it and those after it are read again once
  /// there is room.
  mutating func stall(_ id: ID, at payment: UniqueID, _ before: LivePlace) {
    guard let entry = entries[id], case .user(let user, _, let waits) = entry.progress else { return }
    var again = Wait.next(payment, start: before.start)
    // Changes may have gone unnoticed since. A resumption because of `missedSince` is left to the last page.
    if case .resumption = waits, before.missedSince == nil { again = .resumption }
    entries[id]?.progress = .user(user, before.position, waits: again)
    entries[id]?.missedSince = before.missedSince
    entries[id]?.isStalled = true
  }

  /// The caller has no room for a change: it, and what changes until there is room, is read again then.
  mutating func stall(_ id: ID, _ before: Progress) {
    guard entries[id] != nil else { return }
    switch before {
    case .payment: entries[id]?.progress = before
    case .user(let user, let position, _): entries[id]?.progress = .user(user, position, waits: .resumption)
    case .all: entries[id]?.progress = .all(waits: .newest)
    }
    entries[id]?.isStalled = true
  }

  /// The caller has read all that waited.
  mutating func drained(_ id: ID, at now: Timestamp) {
    guard let entry = entries[id], entry.isStalled else { return }
    entries[id]?.isStalled = false
    if case .payment(let payment, _) = entry.progress {
      enqueue(payment, isChange: false, since: now)
    } else {
      pages.append(id)
    }
  }

  /// Nothing could be read.
  /// - Returns: streams that have not begun; the others wait for the next reading.
  mutating func fail(_ taken: LiveReading, _ error: GatewayStoreError, at now: Instant) -> [LiveStep<Follower>] {
    pausedUntil = now + limits.pause
    var steps: [LiveStep<Follower>] = []
    for payment in taken.payments {
      for id in ofPayment[payment] ?? FewIDs() { endUnbegun(id, error, &steps) }
    }
    requeue(taken.payments)
    for page in taken.pages where !endUnbegun(page.stream, error, &steps) { readAgain(page) }
    if !ofAll.isEmpty { crowd.formUnion(taken.ofAll) }
    return steps
  }

  private mutating func readAgain(_ page: LiveReading.Page) {
    let id = page.stream
    switch entries[id]?.progress {
    case .user(let user, let position, .reading(let first)):
      let waits = first.map { LiveTable.Wait.next($0, start: page.start ?? $0) } ?? .resumption
      entries[id]?.progress = .user(user, position, waits: waits)
    case .all(.reading): entries[id]?.progress = .all(waits: .newest)
    default: return
    }
    pages.append(id)
  }

  @discardableResult
  private mutating func endUnbegun(
    _ id: ID, _ error: GatewayStoreError, _ steps: inout [LiveStep<Follower>]
  ) -> Bool {
    guard let entry = entries[id], !entry.hasBegun, let follower = remove(id) else { return false }
    steps.append(.trouble(follower, error))
    return true
  }

  /// Tells a stream of a payment as it is, unless it knows, or will read it with a later page.
  private mutating func show(
    _ payment: GatewayPayment, to id: ID, _ steps: inout [LiveStep<Follower>], at now: Timestamp
  ) {
    guard let entry = entries[id] else { return }
    let isFinal = payment.standing.state.isFinal
    switch entry.progress {
    case .payment(_, let version):
      // It is read again once there is room.
      if entry.isStalled { return }
      // Before the first event another version counts also when it is lower: the caller's is of another time.
      let isNews = entry.hasBegun ? payment.standing.version > version : payment.standing.version != version
      entries[id]?.progress = .payment(payment.id, version: payment.standing.version)
      if isNews {
        entries[id]?.hasBegun = true
        steps.append(
          .event(id, entry.follower, payment, id: String(payment.standing.version), before: entry.progress))
      } else if !isFinal, !entry.hasBegun {
        steps.append(ready(id, entry.follower))
      }
      if isFinal { steps.append(.end(id, entry.follower)) }
    case .user(let user, var position, let waits):
      switch waits {
      case .newest, .resumption, .reading(nil): return
      case .next(let first, _), .reading(let first?):
        if payment.id >= first { return }
        if entry.isStalled {
          entries[id]?.missedSince = min(now, entry.missedSince ?? now)
          return
        }
      case nil: position.reach(now: now)
      }
      position.sent(payment.id, isFinal: isFinal)
      entries[id]?.progress = .user(user, position, waits: waits)
      steps.append(event(id, entry, payment, at: position))
    case .all(let waits): if waits == nil { steps.append(event(id, entry, payment, at: nil)) }
    }
  }

  private mutating func event(
    _ id: ID, _ entry: Entry, _ payment: GatewayPayment, at position: LivePosition?
  ) -> LiveStep<Follower> {
    entries[id]?.hasBegun = true
    return .event(id, entry.follower, payment, id: position?.text, before: entry.progress)
  }

  private mutating func ready(_ id: ID, _ follower: Follower) -> LiveStep<Follower> {
    entries[id]?.hasBegun = true
    guard case .user(_, let position, _) = entries[id]?.progress else { return .ready(id, follower, id: nil) }
    return .ready(id, follower, id: position.text)
  }
}

/// The versions of payments that were shown last, some thousands: two notices of one payment may come before the first
/// reading, which then has both.
struct RecentVersions {
  private static let room = 2_048
  private var versions: [UniqueID: Int64] = [:]
  private var older: [UniqueID: Int64] = [:]

  /// Whether it is higher than the one that was shown.
  mutating func isNew(_ id: UniqueID, _ version: Int64) -> Bool {
    if let known = versions[id] ?? older[id], known >= version { return false }
    if versions.count >= Self.room { (older, versions) = (versions, [:]) }
    versions[id] = version
    return true
  }
}
