internal import Kafka
internal import Values

/// The tables and the topic side by side in memory: 64 bytes an event, 32 a key, no object for any of them.
///
/// Filled in three steps: events and payments of one snapshot, then the topic, then `finish`. It decides; it reads
/// nothing itself.
struct AuditLedger {
  enum Status: UInt8 { case waiting, done, dead }

  /// Bounds of what can be told.
  struct Scope: Sendable {
    /// Clocks of the database, the relays and the brokers may differ by this.
    static let skew: Int64 = 60_000_000

    /// Events written before this are not looked for; µs since 1970, `.min` for all.
    var since = Int64.min
    /// Events DONE before this may have been dropped from the tables; `.min` when none was.
    var keptSince = Int64.min
    /// The high watermarks from before the snapshot of the tables. A message at or above may be of an event that was
    /// committed after it.
    var marksBefore: [Int64]
    /// Whether payments are compared with their events.
    var checksPayments: Bool
    /// Maximum number of offenders of each kind in the report.
    var limit: Int
    /// How often operators had an event published once more.
    var replays: [UniqueID: Int] = [:]
    /// Events of other outboxes on this topic.
    var others: Set<UniqueID> = []
  }

  private struct Event {
    var id: UniqueID
    var sequence: Int64
    var payload: UInt64
    /// µs since 1970.
    var created: Int64
    /// Offset of its first copy on the topic; -1 while there is none.
    var offset: Int64 = -1
    var partition: Int32 = -1
    var copies: UInt32 = 0
    var key: UInt32
    var status: Status
    var told: PaymentWord
    var money: PaymentMoney
  }

  private struct Key {
    /// The number of a decimal key, or a hash of any other.
    var value: UInt64
    var isDecimal: Bool
    var hasPayment = false
    var newest: UInt32
    var oldest: UInt32
    var count: UInt32 = 0
    /// The event with the highest number of those seen on the topic.
    var leader: UInt32 = .max
    var partition: Int32
  }

  /// A partition as far as it has been read.
  private struct Partition {
    /// Messages written before this may be gone; `.min` when all are there, `.max` when all may be gone.
    var gone = Int64.min
    var next: Int64
  }

  private let scope: Scope
  private var events: [Event] = []
  private var eventIndex: PositionIndex
  private var keys: [Key] = []
  private var keyIndex = PositionIndex(capacity: 0)
  private var partitions: [Partition]
  /// Whether keys lie where the default partitioner puts them.
  private var isPartitionerKnown = true
  private(set) var report = AuditReport()

  /// - Parameters:
  ///   - expected: about how many events there are.
  ///   - starts: the offset from which each partition is read, and whether something was there before it that is gone.
  init(scope: Scope, expected: Int, starts: [(offset: Int64, isCut: Bool)]) {
    self.scope = scope
    events.reserveCapacity(expected + expected / 64)
    eventIndex = PositionIndex(capacity: expected)
    partitions = starts.map { Partition(gone: $0.isCut ? .max : .min, next: $0.offset) }
  }

  // MARK: - The tables

  mutating func addEvent(
    id: UniqueID, key: [UInt8], sequence: Int64, status: Status, payload: [UInt8], created: Timestamp
  ) {
    switch status {
    case .waiting: report.pending += 1
    case .done: report.done += 1
    case .dead: report.dead += 1
    }
    if let twin = eventIndex.find(hash(id), { events[$0].id == id }) {
      let key = keys[Int(events[twin].key)]
      return note(.gap, Offence(key: key, id: id, sequence: sequence), "its identity is in the table twice")
    }
    let position = events.count
    let owner = takeKey(key, event: position)
    let told = scope.checksPayments ? ToldPayment(payload: payload) : ToldPayment()
    events.append(
      Event(
        id: id, sequence: sequence, payload: AuditHash.of(payload), created: created.microseconds, key: UInt32(owner),
        status: status, told: told.status, money: told.money))
    insertEvent(position, id)
    keys[owner].count += 1
    if sequence > events[Int(keys[owner].newest)].sequence { keys[owner].newest = UInt32(position) }
    if sequence < events[Int(keys[owner].oldest)].sequence { keys[owner].oldest = UInt32(position) }
  }

  /// A row of the tables that cannot be read.
  mutating func addUnreadable(key: String?, _ fault: String) {
    note(.unreadable, Offence(key: key), fault)
  }

  mutating func addPayment(
    order: Int64, status: PaymentWord, version: Int64, money: PaymentMoney, updated: Timestamp
  ) {
    report.payments += 1
    let isKept = updated.microseconds >= kept
    guard let position = findKey(UInt64(bitPattern: order), isDecimal: true), keys[position].count > 0 else {
      if isKept { note(.noEvent, Offence(order: order), "the payment is \(status) and has no event") }
      return
    }
    keys[position].hasPayment = true
    let newest = events[Int(keys[position].newest)]
    if newest.sequence != version {
      guard isKept else { return }
      note(
        .state, Offence(key: keys[position], id: newest.id, sequence: newest.sequence),
        "the payment has version \(version), its newest event is number \(newest.sequence)")
    } else if newest.told != status || status == .unknown {
      note(
        .state, Offence(key: keys[position], id: newest.id, sequence: newest.sequence),
        "the payment is \(status), its newest event says \(newest.told)")
    } else if newest.money != .untold, newest.money != money {
      note(
        .state, Offence(key: keys[position], id: newest.id, sequence: newest.sequence),
        "the payment's amount or currency is not what its newest event says")
    }
  }

  // MARK: - The topic

  /// Takes the next message of a partition.
  mutating func take(
    partition: Int32, offset: Int64, timestamp: Timestamp?, key: [UInt8], value: [UInt8], identity: [UInt8],
    sequence: [UInt8]
  ) {
    let time = timestamp?.microseconds ?? .max
    noteProgress(partition, offset, time)
    if time < scope.since.subtracting(saturating: Scope.skew) { return }
    report.messages += 1
    let place = Offence(key: key, partition: partition, offset: offset, writtenAt: timestamp)
    guard let id = UniqueID(utf8: identity) else {
      return note(.unknown, place, identity.isEmpty ? "it has no ce_id" : "its ce_id is no UUID")
    }
    guard let position = eventIndex.find(hash(id), { events[$0].id == id }) else {
      return takeUnknown(id, place, time)
    }
    let event = events[position]
    if AuditHash.of(value) != event.payload {
      note(.differs, place.with(event.id, event.sequence), "its value is not the payload in the table")
    } else if decimal(sequence) != UInt64(exactly: event.sequence) {
      note(
        .differs, place.with(event.id, event.sequence),
        "its seq is \"\(String(decoding: sequence, as: UTF8.self))\", the table has \(event.sequence)")
    } else if !isSame(key, keys[Int(event.key)]) {
      note(.differs, place.with(event.id, event.sequence), "its key is not that of the table")
    }
    if keys[Int(event.key)].partition != partition { isPartitionerKnown = false }
    events[position].copies += 1
    guard event.copies == 0 else {
      if Int(event.copies) <= scope.replays[event.id, default: 0] {
        report.replayed += 1
        return
      }
      return note(
        .duplicate, place.with(event.id, event.sequence),
        "copy \(event.copies + 1); the first is at \(event.partition)@\(event.offset)")
    }
    events[position].partition = partition
    events[position].offset = offset
    checkOrder(position, place)
  }

  private mutating func takeUnknown(_ id: UniqueID, _ place: Offence, _ time: Int64) {
    if scope.others.contains(id) { return }
    let (partition, offset) = (place.partition ?? 0, place.offset ?? 0)
    if offset >= scope.marksBefore[Int(partition)] {
      report.newer += 1
    } else if time < kept {
      report.outOfRetention += 1
    } else {
      note(.unknown, place.with(id, nil), "no event in the table has its ce_id")
    }
  }

  /// Numbers of a key must appear for the first time in ascending order, all in one partition.
  private mutating func checkOrder(_ position: Int, _ place: Offence) {
    let event = events[position]
    let leader = keys[Int(event.key)].leader
    guard leader != .max else {
      keys[Int(event.key)].leader = UInt32(position)
      return
    }
    let first = events[Int(leader)]
    if event.sequence > first.sequence { keys[Int(event.key)].leader = UInt32(position) }
    if first.partition != event.partition {
      note(
        .order, place.with(event.id, event.sequence),
        "number \(first.sequence) of its key is in another partition, \(first.partition)")
    } else if event.sequence < first.sequence, event.created >= scope.since,
      wasReadSince(event.created, in: event.partition)
    {
      note(
        .order, place.with(event.id, event.sequence),
        "it first appears after number \(first.sequence), which is at \(first.partition)@\(first.offset)")
    }
  }

  /// Notes how far the partition is there: a jump in the offsets means that what was between is gone, as at the start.
  private mutating func noteProgress(_ partition: Int32, _ offset: Int64, _ time: Int64) {
    let index = Int(partition)
    let isFirst = partitions[index].gone == .max
    if isFirst || offset != partitions[index].next { partitions[index].gone = time.adding(saturating: Scope.skew) }
    partitions[index].next = offset.adding(saturating: 1)
  }

  // MARK: - The end

  /// Says what is missing, once the tables and the topic have been read.
  mutating func finish() -> AuditReport {
    coverSince()
    for position in events.indices where events[position].copies == 0 { judgeAbsent(events[position]) }
    for position in keys.indices where keys[position].count > 0 {
      let key = keys[position]
      let (oldest, newest) = (events[Int(key.oldest)], events[Int(key.newest)])
      if scope.checksPayments, !key.hasPayment {
        note(.noPayment, Offence(key: key, id: oldest.id, sequence: oldest.sequence), "no payment has this order id")
      }
      // Events from before the retained days may have left the table.
      if oldest.created >= kept, newest.sequence.subtracting(saturating: oldest.sequence) != Int64(key.count) - 1 {
        note(
          .gap, Offence(key: key, id: newest.id, sequence: newest.sequence),
          "\(key.count) events are numbered from \(oldest.sequence) to \(newest.sequence)")
      }
    }
    return report
  }

  private mutating func judgeAbsent(_ event: Event) {
    let key = keys[Int(event.key)]
    let isTold = wasReadSince(event.created, in: isPartitionerKnown ? key.partition : nil)
    switch event.status {
    case .dead: break
    case .done where event.created < scope.since: report.notJudged += 1
    case .done where !isTold: report.unverifiable[key.partition, default: 0] += 1
    case .done:
      note(
        .missing, Offence(key: key, id: event.id, sequence: event.sequence), "it is DONE and not on the topic")
    case .waiting:
      guard key.leader != .max, isTold, event.created >= scope.since else { return }
      let leader = events[Int(key.leader)]
      guard leader.sequence > event.sequence else { return }
      note(
        .order, Offence(key: key, id: event.id, sequence: event.sequence),
        "it waits, and number \(leader.sequence) is on the topic, at \(leader.partition)@\(leader.offset)")
    }
  }

  /// Whether a message of an event written then would have been read. Nil is any partition.
  private func wasReadSince(_ created: Int64, in partition: Int32?) -> Bool {
    guard let partition else { return partitions.allSatisfy { isCovered($0, created) } }
    return isCovered(partitions[Int(partition)], created)
  }

  private func isCovered(_ partition: Partition, _ created: Int64) -> Bool {
    partition.gone == .min || created > partition.gone
  }

  /// Partitions that were read from `since` on are whole as far as that goes.
  private mutating func coverSince() {
    guard scope.since != .min else { return }
    for index in partitions.indices where partitions[index].gone <= scope.since { partitions[index].gone = .min }
  }

  // MARK: - Keys

  /// From when on the tables have everything.
  private var kept: Int64 { scope.keptSince == .min ? .min : scope.keptSince.adding(saturating: Scope.skew) }

  private mutating func takeKey(_ key: [UInt8], event: Int) -> Int {
    let number = decimal(key)
    let value = number ?? AuditHash.of(key)
    if let found = findKey(value, isDecimal: number != nil) { return found }
    keys.append(
      Key(
        value: value, isDecimal: number != nil, newest: UInt32(event), oldest: UInt32(event),
        partition: KeyPartitioner.partition(of: key, count: partitions.count)))
    insertKey(keys.count - 1)
    return keys.count - 1
  }

  private func findKey(_ value: UInt64, isDecimal: Bool) -> Int? {
    keyIndex.find(AuditHash.mix(value)) { keys[$0].value == value && keys[$0].isDecimal == isDecimal }
  }

  private mutating func insertKey(_ position: Int) {
    keyIndex.insert(position, hash: AuditHash.mix(keys[position].value)) { [keys] in AuditHash.mix(keys[$0].value) }
  }

  private mutating func insertEvent(_ position: Int, _ id: UniqueID) {
    eventIndex.insert(position, hash: hash(id)) { [events] in AuditHash.mix(events[$0].id.high ^ events[$0].id.low) }
  }

  private func hash(_ id: UniqueID) -> UInt64 { AuditHash.mix(id.high ^ id.low) }

  private func isSame(_ bytes: [UInt8], _ key: Key) -> Bool {
    let number = decimal(bytes)
    return key.isDecimal ? number == key.value : number == nil && AuditHash.of(bytes) == key.value
  }

  // MARK: - Offenders

  private struct Offence {
    var key: String?
    var id: UniqueID?
    var sequence: Int64?
    var partition: Int32?
    var offset: Int64?
    var writtenAt: Timestamp?

    init(key: Key, id: UniqueID, sequence: Int64) {
      self.key = key.isDecimal ? String(key.value) : nil
      self.id = id
      self.sequence = sequence
    }
    init(order: Int64) { key = String(order) }
    init(key: String?) { self.key = key }
    init(key: [UInt8], partition: Int32, offset: Int64, writtenAt: Timestamp?) {
      self.bytes = key
      self.partition = partition
      self.offset = offset
      self.writtenAt = writtenAt
    }

    /// A message's key, made to text only when it is shown.
    var bytes: [UInt8]?

    func with(_ id: UniqueID, _ sequence: Int64?) -> Offence {
      var copy = self
      copy.id = id
      copy.sequence = sequence
      return copy
    }
  }

  private mutating func note(_ kind: AuditReport.Kind, _ offence: Offence, _ detail: @autoclosure () -> String) {
    let count = report.counts[kind, default: 0]
    report.counts[kind] = count + 1
    guard count < scope.limit else { return }
    report.offenders.append(
      AuditReport.Offender(
        kind: kind, eventID: offence.id,
        key: offence.key ?? offence.bytes.map { String(decoding: $0.prefix(255), as: UTF8.self) },
        sequence: offence.sequence, partition: offence.partition, offset: offence.offset, writtenAt: offence.writtenAt,
        detail: detail()))
  }
}

/// A whole number without sign or leading zeros; nil for anything else.
private func decimal(_ bytes: [UInt8]) -> UInt64? {
  guard (1...19).contains(bytes.count), bytes.count == 1 || bytes[0] != UInt8(ascii: "0") else { return nil }
  var number: UInt64 = 0
  for byte in bytes {
    guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
    number = number &* 10 &+ UInt64(byte - UInt8(ascii: "0"))
  }
  return number
}
