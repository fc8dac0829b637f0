import DirectDomain
import GatewayDomain
import Randomness
import Testing
import Values

@testable import GatewayAPI
@testable import GatewayStore

/// A user's streams lose nothing, whatever is cut: callers leave at any event and go on from its id, readings fail,
/// notices are lost with the listener's connection, payments become readable later than their ids tell, or without a
/// notice since another gateway takes them in, callers have no room for the rest of a page, or for a change.
@Suite struct LiveLossTests {
  @Test(arguments: UInt64(1)...60)
  func `whoever goes on from its last event has seen the newest version of each payment`(seed: UInt64) {
    var world = LiveWorld(seed: seed)
    for _ in 0..<600 { world.step() }
    world.settle()
    #expect(world.missed == [], "seed \(seed)")
  }
}

private struct LiveWorld {
  /// A caller, who remembers what it was sent and the id of the last event.
  struct Caller {
    var seen: [UniqueID: Int64] = [:]
    var lastID: String?
    var stream: UInt64?
  }

  private var random: SplitMix64
  private var table = LiveTable<Int>(LiveTable.Limits(batch: 3, pages: 1))
  private var rows: [UniqueID: GatewayPayment] = [:]
  /// Payments whose transactions have not committed yet.
  private var waiting: [GatewayPayment] = []
  private var caller = Caller()
  private var now = Timestamp(microseconds: 1_795_700_000_000_000)
  private var clock = Instant(nanoseconds: 1_000_000_000_000)
  private let user = UniqueID(high: 1, low: 1)
  private var isCalm = false
  /// Payments of other gateways that nobody has been told of yet.
  private var silent: Set<UniqueID> = []
  /// Payments whose newest state began when the caller had no position.
  private var earlier: Set<UniqueID> = []
  /// A stream begins with so many.
  private static let newest = 5

  init(seed: UInt64) { random = SplitMix64(seed: seed) }

  private mutating func fails(_ chance: Double) -> Bool { random.roll(isCalm ? 0 : chance) }

  mutating func step() {
    now = now + .milliseconds(random.draw(0...90_000))
    clock = clock + .milliseconds(300)
    if let stream = caller.stream, random.roll(0.1) { table.drained(stream, at: now) }
    switch random.draw(0...9) {
    case 0, 1: waiting.append(LiveRows.payment(.ordered(at: now, using: &random), of: user))
    case 2, 3: commit()
    case 4, 5: change()
    case 6: if random.roll(0.50) { drop() }
    case 7: if caller.stream == nil { connect() }
    default: read()
    }
    // Rows are there within the slack.
    while let first = waiting.first, first.id < UniqueID.lowest(at: now + .seconds(-200)) { commit() }
  }

  private mutating func connect() {
    let position = caller.lastID.flatMap { LivePosition($0) }
    caller.stream = table.add(1, .user(user, from: position), at: clock, now)
  }

  private mutating func drop() {
    if let stream = caller.stream { _ = table.remove(stream) }
    caller.stream = nil
  }

  private mutating func commit() {
    guard !waiting.isEmpty else { return }
    let payment = waiting.remove(at: random.draw(0...waiting.count - 1))
    rows[payment.id] = payment
    noteMoment(of: payment)
    if fails(0.4) { silent.insert(payment.id) } else { notify(payment) }
  }

  private mutating func noteMoment(of payment: GatewayPayment) {
    if caller.lastID == nil { earlier.insert(payment.id) } else { earlier.remove(payment.id) }
    silent.remove(payment.id)
  }

  private mutating func change() {
    let open = rows.values.filter { !$0.standing.state.isFinal }.sorted { $0.id < $1.id }
    guard !open.isEmpty else { return }
    let old = random.pick(open)
    let version = old.standing.version + 1
    let payment = LiveRows.payment(old.id, of: user, version, isFinal: random.roll(0.40), since: now)
    rows[payment.id] = payment
    noteMoment(of: payment)
    notify(payment)
  }

  private mutating func notify(_ payment: GatewayPayment) {
    if !fails(0.15) {
      table.changed([PaymentChange(payment.id, of: user)], at: now)
    } else {
      // The listener was away, and is back.
      table.changedPerhaps(at: now)
    }
  }

  private mutating func read() {
    guard let reading = table.takeReading(at: clock) else { return }
    if fails(0.15) { return take(table.fail(reading, GatewayStoreError(.unavailable, ""), at: clock)) }
    var found: FoundPayments = [:]
    for id in reading.payments { found[id] = rows[id].map { .success($0) } }
    changeMeanwhile()
    take(table.finish(reading, found, at: now))
    for page in reading.pages {
      if fails(0.15) {
        take(table.fail(LiveReading(pages: [page]), GatewayStoreError(.unavailable, ""), at: clock))
        continue
      }
      let (found, next) = read(page)
      changeMeanwhile()
      take(table.finish(page, found, next: next, at: now))
    }
  }

  /// What the database has of a page.
  private func read(_ page: LiveReading.Page) -> (found: [GatewayPayment], next: UniqueID?) {
    let all = rows.values.sorted { $0.id < $1.id }
    guard let from = page.from, let start = page.start else { return (all.suffix(Self.newest), nil) }
    let older = all.filter { $0.id >= from && $0.id < start && $0.standing.since >= start.moment }
    let paged = older + all.filter { $0.id >= from && $0.id >= start }
    let wanted = UserPages.Wanted(user: user, from: from, start: start, open: page.open)
    let open = FoundPayments(uniqueKeysWithValues: page.open.compactMap { id in rows[id].map { (id, .success($0)) } })
    let whole = wanted.with(open, before: UserPages.Page(Array(paged.prefix(4)), next: nil))
    return (whole.payments, paged.count > 4 ? paged[4].id : nil)
  }

  /// Between the reading and its outcome.
  private mutating func changeMeanwhile() {
    if fails(0.2) { change() }
    if fails(0.1) { commit() }
  }

  /// The caller may leave at any event, and has then not seen those after it.
  private mutating func take(_ steps: [LiveStep<Int>]) {
    for step in steps {
      switch step {
      case .paged(let stream, _, let payment, _, let before) where caller.stream == stream && fails(0.15):
        if fails(0.2) { table.changedPerhaps(at: now) }
        return table.stall(stream, at: payment.id, before)
      case .event(let stream, _, _, _, let before) where caller.stream == stream && fails(0.15):
        if fails(0.2) { table.changedPerhaps(at: now) }
        return table.stall(stream, before)
      case .paged(let stream, _, let payment, let id as String?, _), .event(let stream, _, let payment, let id, _):
        guard caller.stream == stream else { continue }
        caller.seen[payment.id] = payment.standing.version
        caller.lastID = id
      case .ready(let stream, _, let id): if caller.stream == stream { caller.lastID = id }
      case .trouble: caller.stream = nil
      case .end, .missing: continue
      }
      if fails(0.08) { drop() }
    }
  }

  /// Lets everything happen that is under way, without further faults.
  mutating func settle() {
    isCalm = true
    while !waiting.isEmpty { commit() }
    for _ in 0..<200 {
      clock = clock + .seconds(1)
      if caller.stream == nil { connect() }
      if let stream = caller.stream { table.drained(stream, at: now) }
      read()
    }
  }

  /// Payments whose newest version the caller has not seen, though that began after the caller had a position, and
  /// somebody was told.
  var missed: [UniqueID] {
    let excused = silent.union(earlier)
    return rows.values.filter { caller.seen[$0.id] != $0.standing.version && !excused.contains($0.id) }.map(\.id)
  }
}
