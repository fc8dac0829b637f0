internal import DirectDomain
internal import GatewayDomain
internal import GatewayStore
internal import Values

/// Where a stream begins.
enum LiveStart: Sendable, Hashable {
  /// One payment, of which the caller has this version; 0 for none.
  case payment(UniqueID, after: Int64)
  /// The payments of a user; nil for the newest ones and whatever changes from now on.
  case user(UniqueID, from: LivePosition?)
  /// The newest payments, and whatever changes from now on.
  case all
}

/// What is to be read for streams.
struct LiveReading: Sendable, Hashable {
  /// The payments of a user, for a stream that begins or goes on.
  struct Page: Sendable, Hashable {
    /// The stream.
    let stream: UInt64
    /// nil for everybody's.
    let user: UniqueID?
    /// The first payment; nil for the newest ones.
    let from: UniqueID?
    /// Where the stream goes on. Of the payments before it, pages have those whose state began after its moment: the
    /// stream may not have known them. nil for the newest ones.
    var start: UniqueID?
    /// Older ones that were open when they were read last.
    var open: [UniqueID] = []
    /// Whether it is the first one of a stream that goes on.
    var isResumption = false
  }
  /// Payments for those who follow them, and for those who follow their users.
  var payments: [UniqueID] = []
  /// Payments for those who follow all.
  var ofAll: [UniqueID] = []
  /// Pages.
  var pages: [Page] = []

  var isEmpty: Bool { payments.isEmpty && ofAll.isEmpty && pages.isEmpty }
}

/// What a stream is to be told.
enum LiveStep<Follower> {
  /// A payment as it is. When the caller has no room for it, the stream stalls at it with its progress `before` it.
  case event(UInt64, Follower, GatewayPayment, id: String?, before: LiveTable<Follower>.Progress)
  /// A payment of a page of a user's stream, all of whose steps are that page's. When the caller has no room for it,
  /// they end with it, and the stream stalls at it with the place `before` it.
  case paged(UInt64, Follower, GatewayPayment, id: String, before: LivePlace)
  /// Nothing is to be said at present; the stream begins if it has not, and its position is `id`.
  case ready(UInt64, Follower, id: String?)
  /// The payment is final, and the caller knows, unless it had no room for the event.
  case end(UInt64, Follower)
  /// There is no such payment.
  case missing(Follower)
  /// The rows cannot be read.
  case trouble(Follower, GatewayStoreError)
}

/// Where a stream was before an event of a page.
struct LivePlace: Sendable, Hashable {
  let position: LivePosition
  /// The `start` of the page.
  let start: UniqueID
  /// Since when the stream was not told of changes.
  let missedSince: Timestamp?
}

/// Tracks who follows which payments, and what is to be read and sent for them. Decides only.
///
/// A stream begins with a reading of its own; after that, nothing is read for it until one of its payments has changed.
/// Payments are shown as they are when they are read, so that a state that passes quickly may not be seen.
struct LiveTable<Follower> {
  /// A stream's number, which no other has.
  typealias ID = UInt64

  struct Limits {
    /// The most payments of one reading.
    var batch = 500
    /// The most pages of one reading.
    var pages = 16
    /// How long nothing is read after a reading that failed.
    var pause = Duration.milliseconds(250)
    /// The shortest time between two readings for those who follow all.
    var rest = Duration.milliseconds(200)
    /// The most payments of such a reading: the newest ones.
    var crowd = 256
    /// How often a stream gets a sign of life.
    var beat = Duration.seconds(15)
  }

  /// The larger ones have memory of their own: mostly a stream follows one payment, and there may be many.
  enum Progress {
    /// The version that was sent last.
    case payment(UniqueID, version: Int64)
    indirect case user(UniqueID, LivePosition, waits: Wait?)
    indirect case all(waits: Wait?)
  }
  /// The page that a stream waits for.
  enum Wait {
    case newest
    /// From its position on, with what was open before, or has changed.
    case resumption
    /// The page that begins here, of those of a resumption from `start`.
    case next(UniqueID, start: UniqueID)
    /// It is being read; it and those after it have what begins here, or everything.
    case reading(from: UniqueID?)
  }
  struct Entry {
    let follower: Follower
    /// Readings up to this one began before it came.
    let joined: Int
    var progress: Progress
    var hasBegun = false
    /// Whether it waits for its caller to read, and has more to send then.
    var isStalled = false
    /// Since when it was not told of changes, because it stalled.
    var missedSince: Timestamp?

    /// Whether it waits for a page, or for room.
    var waits: Bool {
      switch progress {
      case .payment: isStalled
      case .user(_, _, let waits), .all(let waits): waits != nil
      }
    }
  }

  let limits: Limits
  var entries: [ID: Entry] = [:]
  var ofPayment: [UniqueID: FewIDs] = [:]
  var ofUser: [UniqueID: FewIDs] = [:]
  var ofAll: [ID] = []
  private var nextID: ID = 0

  /// Payments to be read, those that waited longest first, each once, and since when they wait.
  private var queue: [(payment: UniqueID, since: Timestamp)] = []
  /// Whether each has changed, so that those who follow its user are told.
  private var queued: [UniqueID: Bool] = [:]
  /// Streams that wait for a page.
  var pages: [ID] = []
  var crowd: Set<UniqueID> = []
  private var crowdDue = Instant(nanoseconds: 0)
  private var beats: [(due: Instant, id: ID)] = []
  private var beaten = 0

  var reading = 0
  /// The payments of the present reading that have changed.
  var changedOnes: Set<UniqueID> = []
  /// Since when the first of them has waited.
  var readingSince = Timestamp(microseconds: 0)
  var pausedUntil = Instant(nanoseconds: 0)
  var recent = RecentVersions()

  init(_ limits: Limits = Limits()) { self.limits = limits }

  /// Streams.
  var count: Int { entries.count }
  /// Streams that wait for a page, or for room.
  var waiting: Int { entries.values.count { $0.waits } }

  // MARK: - Streams

  mutating func add(_ follower: Follower, _ start: LiveStart, at now: Instant, _ moment: Timestamp) -> ID {
    nextID += 1
    let id = nextID
    let progress: Progress
    switch start {
    case .payment(let payment, let version):
      progress = .payment(payment, version: version)
      ofPayment[payment, default: FewIDs()].append(id)
      enqueue(payment, isChange: false, since: moment)
    case .user(let user, let position):
      progress = .user(
        user, position ?? LivePosition(from: UniqueID(high: 0, low: 0)),
        waits: position == nil ? .newest : .resumption)
      ofUser[user, default: FewIDs()].append(id)
      pages.append(id)
    case .all:
      progress = .all(waits: .newest)
      ofAll.append(id)
      pages.append(id)
    }
    entries[id] = Entry(follower: follower, joined: reading, progress: progress)
    beats.append((now + limits.beat, id))
    return id
  }

  /// The stream has ended.
  /// - Returns: nil when it had ended before.
  mutating func remove(_ id: ID) -> Follower? {
    guard let entry = entries.removeValue(forKey: id) else { return nil }
    switch entry.progress {
    case .payment(let payment, _): Self.remove(id, of: payment, from: &ofPayment)
    case .user(let user, _, _): Self.remove(id, of: user, from: &ofUser)
    case .all: ofAll.removeAll { $0 == id }
    }
    return entry.follower
  }

  private static func remove(_ id: ID, of key: UniqueID, from lists: inout [UniqueID: FewIDs]) {
    // Where it is, since many may follow one.
    lists[key]?.remove(id)
    if lists[key]?.isEmpty ?? false { lists[key] = nil }
  }

  /// Ends all streams.
  mutating func removeAll() -> [Follower] {
    let followers = entries.values.map(\.follower)
    (entries, ofPayment, ofUser, ofAll) = ([:], [:], [:], [])
    (queue, queued, pages, crowd, beats, beaten) = ([], [:], [], [], [], 0)
    return followers
  }

  /// The streams that are due for a sign of life.
  mutating func takeBeats(at now: Instant) -> [(id: ID, follower: Follower)] {
    var due: [(id: ID, follower: Follower)] = []
    while beaten < beats.count, beats[beaten].due <= now {
      let id = beats[beaten].id
      beaten += 1
      guard let entry = entries[id] else { continue }
      beats.append((now + limits.beat, id))
      // One that has not begun is about to be answered.
      if entry.hasBegun { due.append((id, entry.follower)) }
    }
    if beaten > beats.count / 2 {
      beats.removeFirst(beaten)
      beaten = 0
    }
    return due
  }

  // MARK: - Changes

  /// Payments have changed; those that nobody follows are passed over.
  mutating func changed(_ changes: some Sequence<PaymentChange>, at now: Timestamp) {
    for change in changes {
      let isFollowed = change.userID.map { ofUser[$0] != nil } ?? false
      if isFollowed || ofPayment[change.id] != nil {
        enqueue(change.id, isChange: isFollowed, since: now)
      }
      // Refunds have no user, and no row here.
      if !ofAll.isEmpty, change.userID != nil { crowd.insert(change.id) }
    }
    if crowd.count > 2 * limits.crowd { crowd = Set(crowd.sorted().suffix(limits.crowd)) }
  }

  /// Any payment may have changed: each stream goes on from its position.
  mutating func changedPerhaps(at now: Timestamp) {
    for payment in ofPayment.keys { enqueue(payment, isChange: false, since: now) }
    for (id, entry) in entries {
      switch entry.progress {
      case .payment, .user(_, _, .newest), .user(_, _, .resumption), .all(.newest): continue
      // Also of those whose page is being read: it may have been read before the change.
      case .user(let user, let position, _): entries[id]?.progress = .user(user, position, waits: .resumption)
      case .all: entries[id]?.progress = .all(waits: .newest)
      }
      pages.append(id)
    }
  }

  mutating func enqueue(_ payment: UniqueID, isChange: Bool, since moment: Timestamp) {
    guard let known = queued[payment] else {
      queue.append((payment, moment))
      queued[payment] = isChange
      return
    }
    if isChange, !known { queued[payment] = true }
  }

  /// Puts the payments of the present reading back to where they were.
  mutating func requeue(_ payments: [UniqueID]) {
    for payment in payments { queued[payment] = (queued[payment] ?? false) || changedOnes.contains(payment) }
    let again = Set(payments)
    queue = payments.map { ($0, readingSince) } + queue.filter { !again.contains($0.payment) }
  }

  // MARK: - Readings

  /// Up to when all notices have been answered, those of the present reading included.
  func noticed(until now: Timestamp) -> Timestamp { min(now, queue.first?.since ?? now) }

  /// When `takeReading` or `takeBeats` may have something to do, unless something changes before.
  var wakeup: Instant {
    // Those that are due soon after each other are looked at together.
    let beat = beaten < beats.count ? beats[beaten].due + .milliseconds(100) : .distantFuture
    guard queue.isEmpty, pages.isEmpty else { return min(beat, pausedUntil) }
    return crowd.isEmpty ? beat : min(beat, max(crowdDue, pausedUntil))
  }

  /// The next reading, which begins; nil when there is nothing to read. To be called again only after all of it was
  /// finished or failed.
  mutating func takeReading(at now: Instant) -> LiveReading? {
    guard pausedUntil <= now else { return nil }
    var taken = LiveReading()
    takePayments(&taken)
    takePages(&taken)
    if !crowd.isEmpty, crowdDue <= now {
      taken.ofAll = ofAll.isEmpty ? [] : crowd.sorted().suffix(limits.crowd)
      crowd = []
      crowdDue = now + limits.rest
    }
    guard !taken.isEmpty else { return nil }
    reading += 1
    return taken
  }

  private mutating func takePayments(_ taken: inout LiveReading) {
    changedOnes = []
    if let first = queue.first { readingSince = first.since }
    var count = 0
    while count < queue.count, taken.payments.count < limits.batch {
      let payment = queue[count].payment
      count += 1
      let isChange = queued.removeValue(forKey: payment) ?? false
      guard isChange || ofPayment[payment] != nil else { continue }
      taken.payments.append(payment)
      if isChange { changedOnes.insert(payment) }
    }
    queue.removeFirst(count)
  }

  private mutating func takePages(_ taken: inout LiveReading) {
    var count = 0
    while count < pages.count, taken.pages.count < limits.pages {
      let id = pages[count]
      count += 1
      guard let entry = entries[id], !entry.isStalled, let page = Self.page(id, entry.progress) else { continue }
      taken.pages.append(page)
      let wait = Wait.reading(from: page.isResumption ? nil : page.from)
      switch entries[id]?.progress {
      case .user(let user, let position, _): entries[id]?.progress = .user(user, position, waits: wait)
      default: entries[id]?.progress = .all(waits: wait)
      }
    }
    pages.removeFirst(count)
  }

  /// - Returns: nil for a stream that waits for none.
  private static func page(_ id: ID, _ progress: Progress) -> LiveReading.Page? {
    switch progress {
    case .user(let user, _, .newest?): LiveReading.Page(stream: id, user: user, from: nil)
    case .user(let user, let position, .resumption?):
      LiveReading.Page(
        stream: id, user: user, from: UniqueID(high: 0, low: 0), start: position.start,
        open: position.open.filter { $0 < position.start }, isResumption: true)
    case .user(let user, let position, .next(let first, let start)?):
      LiveReading.Page(
        stream: id, user: user, from: first, start: start, open: position.open.filter { $0 >= first && $0 < start })
    case .all(.newest?): LiveReading.Page(stream: id, user: nil, from: nil)
    case .payment, .user, .all: nil
    }
  }
}
