import GatewayDomain
import GatewaySchema
import GatewayStore
import Postgres
import ProcessingDebits
import ProcessingSchema
import ProcessingStore
import SagaSchema
import SagaStore
import Values

/// What a story is wanted of.
enum StoryQuestion: Sendable, CustomStringConvertible {
  case order(Int64)
  /// The saga's payment with this id.
  case payment(Int64)
  /// An order, or else a payment.
  case number(Int64)
  /// A direct payment, a refund or a debit.
  case direct(UniqueID)
  case event(UniqueID)
  /// A direct payment, a refund, a debit or an event.
  case id(UniqueID)

  var description: String {
    switch self {
    case .order(let number): "order \(number)"
    case .payment(let number): "payment \(number)"
    case .number(let number): "an order or a payment \(number)"
    case .direct(let id): "a direct payment, a refund or a debit \(id)"
    case .event(let id): "an event \(id)"
    case .id(let id): "a direct payment, a refund, a debit or an event \(id)"
    }
  }
}

/// The tables of all contexts, each asked as far as it can be: one that is away is left out, and said so. One thread.
final class StorySources {
  private enum Place {
    case saga, gateway, processing
    /// Of the database of processing: a role that may read payments need not be allowed to read debits.
    case debits

    /// What the names of its settings begin with.
    var settings: String {
      switch self {
      case .saga: "DB_"
      case .gateway: "GATEWAY_"
      case .processing, .debits: "PROCESSING_"
      }
    }

    var name: String {
      switch self {
      case .saga: "the saga"
      case .gateway: "the gateway"
      case .processing: "the processors"
      case .debits: "the table of debits"
      }
    }
  }

  private let session: Session
  /// By what the names of their settings begin with.
  private var connections: [String: Connection] = [:]
  private var away: Set<String> = []
  private var missing: Set<Place> = []

  private let saga = PaymentStories(SagaSchema.outbox)
  private let gateway = GatewayStories(GatewayTables(), outbox: GatewaySchema.outbox)
  private let processing = ProcessingStories(outbox: ProcessingSchema.outbox)
  private let debits = DebitStories(outbox: ProcessingSchema.outbox)

  init(_ session: Session) { self.session = session }

  func close() { for connection in connections.values { connection.close() } }

  /// The story; empty when nothing is known.
  func story(_ question: StoryQuestion) throws -> Story {
    switch question {
    case .order(let order): return try story(order: order)
    case .payment(let id):
      let found = try ask(.saga) { [saga] connection throws(DatabaseError) in
        try saga.story(payment: id, on: connection)
      }
      return try (found ?? nil).map { try story(order: $0.orderID) } ?? Story()
    case .number(let number):
      let found = try story(.order(number))
      return found.entries.isEmpty ? try story(.payment(number)) : found
    case .direct(let id): return try story(direct: id)
    case .event(let id): return try story(event: id)
    case .id(let id):
      let found = try story(.direct(id))
      return found.entries.isEmpty ? try story(.event(id)) : found
    }
  }

  private func story(order: Int64) throws -> Story {
    var story = Story()
    let own = try ask(.saga) { [saga] connection throws(DatabaseError) in try saga.story(order: order, on: connection) }
    if let own, let own {
      story.add(own.entries)
    } else {
      let operations = try ask(.saga) { [saga] connection throws(DatabaseError) in
        try saga.operations(order: order, on: connection)
      }
      story.add(operations ?? [])
    }
    story.add(letters(ofOrder: order))
    let paid = try ask(.gateway) { [gateway] connection throws(DatabaseError) in
      try gateway.payments(ofOrder: order, on: connection)
    }
    for id in paid ?? [] { try add(direct: id, to: &story) }
    return story
  }

  private func story(direct id: UniqueID) throws -> Story {
    let operation = try ask(.processing) { [processing] connection throws(DatabaseError) in
      try processing.payment(ofOperation: id, on: connection)
    }
    // Before its claim only the gateway knows it.
    let payment = (operation ?? nil) ?? id
    let found = try ask(.gateway) { [gateway] connection throws(DatabaseError) in
      try gateway.order(ofPayment: payment, on: connection)
    }
    var story = Story()
    if let found, let order = found, let order {
      story = try self.story(order: order)
    } else {
      try add(direct: payment, to: &story)
    }
    // Whoever commands a debit chooses its id, which may be that of a payment.
    story.add(try self.story(debit: id).entries)
    return story
  }

  private func story(debit id: UniqueID) throws -> Story {
    let entries = try ask(.debits) { [debits] connection throws(DatabaseError) in
      try debits.entries(of: id, on: connection)
    }
    var story = Story()
    story.add(entries ?? [])
    return story
  }

  private func story(event id: UniqueID) throws -> Story {
    let order = try ask(.saga) { [saga] connection throws(DatabaseError) in
      try saga.order(ofEvent: id, on: connection)
    }
    if let order, let order { return try story(order: order) }
    let told = try ask(.gateway) { [gateway] connection throws(DatabaseError) in
      try gateway.payment(ofEvent: id, on: connection)
    }
    if let told, let told { return try story(direct: told) }
    let done = try ask(.processing) { [processing] connection throws(DatabaseError) in
      try processing.payment(ofEvent: id, on: connection)
    }
    if let done, let done { return try story(direct: done) }
    let debit = try ask(.debits) { [debits] connection throws(DatabaseError) in
      try debits.debit(ofEvent: id, on: connection)
    }
    if let debit, let debit { return try story(debit: debit) }
    return Story()
  }

  private func add(direct id: UniqueID, to story: inout Story) throws {
    let processed = try ask(.processing) { [processing] connection throws(DatabaseError) in
      try processing.story(of: id, on: connection)
    }
    let requesters = Requesters(
      reviewer: processed?.trail.reviewer, canceller: processed?.trail.canceller)
    story.add(
      try ask(.gateway) { [gateway] connection throws(DatabaseError) in
        try gateway.entries(of: id, requesters: requesters, on: connection)
      } ?? [])
    story.add(processed?.entries ?? [])
  }

  /// The order's dead letters of the inventory topic; none where the brokers cannot be asked, which is said.
  private func letters(ofOrder order: Int64) -> [Story.Entry] {
    do {
      return try OrderLetters(session).entries(order)
    } catch {
      notice("dead letters of the inventory topic are left out: \(error)")
      return []
    }
  }

  /// - Returns: nil when the tables cannot be asked, which is said once.
  private func ask<Value>(
    _ place: Place, _ body: (Connection) throws(DatabaseError) -> Value
  ) throws -> Value? {
    guard !missing.contains(place), !away.contains(place.settings) else { return nil }
    do {
      return try body(try connection(place))
    } catch let error as DatabaseError {
      missing.insert(place)
      notice("what \(place.name) knows is left out: \(error)")
      return nil
    }
  }

  private func connection(_ place: Place) throws -> Connection {
    if let open = connections[place.settings] { return open }
    do {
      let made = try Connection.open(try session.database(of: place.settings), logger: session.logger)
      connections[place.settings] = made
      return made
    } catch let error as DatabaseError {
      away.insert(place.settings)
      throw error
    }
  }
}

extension Record {
  /// An entry of a story as it is printed.
  init(_ entry: Story.Entry) {
    self = ["at": .time(entry.at), "part": .text(entry.part), "what": .text(entry.what)]
    for field in entry.fields { append(field.name, Value(field.value)) }
  }
}

extension Record.Value {
  fileprivate init(_ value: Story.Value) {
    switch value {
    case .text(let text): self = .text(text)
    case .number(let number): self = .number(number)
    case .time(let time): self = .time(time)
    case .uuid(let id): self = .uuid(id)
    }
  }
}

extension Story.Entry {
  /// For people: when, what, and what is known of it.
  var line: String {
    var rest: Record = [:]
    for field in fields { rest.append(field.name, Record.Value(field.value)) }
    return "\(at)  \(part) \(what)  \(rest.line)"
  }
}
