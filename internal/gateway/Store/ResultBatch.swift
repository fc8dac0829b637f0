internal import DirectDomain
internal import GatewayDomain
internal import Inbox
internal import Outbox
internal import Postgres
internal import Values

/// Results of one transaction on the payments that it has locked. Pure but for the reading of rows.
struct ResultBatch {
  /// What a result changes of a payment, and what it needs for that.
  struct Locked {
    let id: UniqueID
    var standing: PaymentStanding
    let orderID: Int64?
    let isCard: Bool
    let userID: UniqueID
    /// The older surface on which it was asked for.
    let surface: PaymentOrigin.Surface?
    /// How many events the outbox has had of it.
    var events: Int64
    /// The payment with what its surface keeps of it; nil for one of `/v1`, and until it is read.
    var shown: SurfacePayment?
    /// The bank's token, once a result has told it.
    var token: String?
    /// The version that it was locked with.
    let lockedVersion: Int64

    /// The order that can be paid another way from now on.
    var freedOrder: Int64? { standing.state == .rejected || standing.state == .error ? orderID : nil }
  }

  private enum Column: Int, AnswerColumn {
    case id, state, reason, version, since, orderID, method, userID, surface, events
  }

  private var payments: [UniqueID: Locked] = [:]
  /// Final ones that are no longer where payments are locked. Nothing changes them.
  private var archived: [UniqueID: Locked] = [:]
  /// The payments whose rows are not as this version expects.
  private var unreadable: Set<UniqueID> = []
  /// The states that belong into the history: new ones, and those that came late.
  private(set) var states: [PaymentResult] = []
  /// The events for readers of older systems, in the order of what they tell.
  private(set) var events: [NewEvent] = []
  private let output: SurfaceOutput
  /// Those of archived payments, all late.
  private(set) var archivedStates: [PaymentResult] = []

  /// - Parameters:
  ///   - rows: the locked payments.
  ///   - output: what readers of older systems are told.
  init(_ rows: Rows, _ output: SurfaceOutput) throws(DatabaseError) {
    self.output = output
    payments = try read(rows)
  }

  /// The payments of surfaces that have readers, by ascending id; their whole rows have to be added.
  var withReaders: [UniqueID] {
    payments.values.filter { $0.surface?.hasReaders == true }.map(\.id).sorted()
  }

  /// - Parameter rows: those of `withReaders`, whole.
  mutating func add(shown rows: Rows) throws(DatabaseError) {
    for row in rows {
      let (id, payment) = try PaymentRow.read(row)
      // Readers would miss a change of what cannot be shown: its result waits in the dead letters instead.
      guard let payment = try? payment.get(), let shown = try? SurfacePayment(payment) else {
        payments[id] = nil
        unreadable.insert(id)
        continue
      }
      payments[id]?.shown = shown
    }
  }

  /// - Parameter rows: the payments among those that were not locked which the archive has.
  mutating func add(archived rows: Rows) throws(DatabaseError) { archived = try read(rows) }

  /// Those of the payments that no row was read of.
  func missing(of ids: [UniqueID]) -> [UniqueID] { ids.filter { payments[$0] == nil && !unreadable.contains($0) } }

  private mutating func read(_ rows: Rows) throws(DatabaseError) -> [UniqueID: Locked] {
    var found: [UniqueID: Locked] = [:]
    for row in rows {
      let id = try row.uuid(Column.id)
      do throws(DatabaseError) {
        found[id] = try Self.locked(id, row)
      } catch  where error.code == .content {
        unreadable.insert(id)
      }
    }
    return found
  }

  private static func locked(_ id: UniqueID, _ row: Row) throws(DatabaseError) -> Locked {
    let version = try row.int64(Column.version)
    let surface = try row.optionalText(Column.surface).map { (name) throws(DatabaseError) in
      try PaymentRow.surface(name)
    }
    return Locked(
      id: id,
      standing: try PaymentRow.standing(
        state: row.text(Column.state), reason: row.optionalText(Column.reason), version: version,
        since: row.timestamp(Column.since)), orderID: try row.optionalInt64(Column.orderID),
      isCard: try row.text(Column.method) == PaymentMethod.card.rawValue, userID: try row.uuid(Column.userID),
      surface: surface, events: try row.int64(Column.events), lockedVersion: version)
  }

  mutating func apply(_ result: PaymentResult) -> InboxResult<ResultOutcome> {
    if unreadable.contains(result.paymentID) { return .unusable(reason: "the row of the payment cannot be read") }
    return .done(outcome(of: result))
  }

  private mutating func outcome(of result: PaymentResult) -> ResultOutcome {
    guard let verdict = payments[result.paymentID]?.standing.apply(result) else { return outcome(ofArchived: result) }
    switch verdict {
    case .applied:
      if let token = result.token { payments[result.paymentID]?.token = token }
      states.append(result)
      tellReaders(of: result.paymentID)
      return .applied
    case .late:
      // A state that was overtaken is part of the history all the same.
      states.append(result)
      return .late
    case .contradicted: return .contradicted
    }
  }

  private mutating func tellReaders(of id: UniqueID) {
    guard var locked = payments[id], let shown = locked.shown else { return }
    for message in output.changed(shown, to: locked.standing) {
      locked.events += 1
      events.append(NewEvent(message, of: id, sequence: locked.events))
    }
    locked.shown?.payment.standing = locked.standing
    payments[id] = locked
  }

  private mutating func outcome(ofArchived result: PaymentResult) -> ResultOutcome {
    guard var standing = archived[result.paymentID]?.standing else { return .notOurs }
    switch standing.apply(result) {
    case .late:
      archivedStates.append(result)
      return .late
    // Only final ones are archived.
    case .applied, .contradicted: return .contradicted
    }
  }

  /// The payments that are not as they were locked, by ascending id.
  var changed: [Locked] {
    payments.values.filter { $0.standing.version != $0.lockedVersion }.sorted { $0.id < $1.id }
  }
}
