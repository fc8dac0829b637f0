internal import Admin
internal import Errors
internal import GatewayDomain
internal import GatewaySchema
internal import GatewayStore
internal import Logger
internal import Postgres
internal import ProcessingSchema
internal import ProcessingStore
internal import Values

/// The stories of direct payments, from the tables of the gateway and of processing, for the page `/trace` of the admin
/// endpoint.
struct DirectStories: Sendable {
  private let gatewayStories = GatewayStories(GatewayTables(), outbox: GatewaySchema.outbox)
  private let processingStories = ProcessingStories(outbox: ProcessingSchema.outbox)
  private let gateway: DatabaseConfiguration
  private let processing: DatabaseConfiguration
  private let logger: Logger

  /// - Parameters:
  ///   - gateway: of the connections that are opened for questions, one each.
  ///   - processing: the same for processing's database.
  init(gateway: DatabaseConfiguration, processing: DatabaseConfiguration, logger: Logger) {
    self.gateway = gateway.forLooking
    self.processing = processing.forLooking
    self.logger = logger.labelled("trace")
  }

  var page: AdminPage {
    StoryPage(
      title: "what happened to a direct payment: ?payment=UUID, ?order=111 or ?event=UUID",
      questions: "payment=UUID, order=NUMBER and event=UUID", read: Question.init, answer: answer
    ).page
  }

  private func answer(_ question: Question) -> StoryPage<Question>.Answer {
    do throws(DatabaseError) {
      let gateway = try Connection.open(gateway, logger: logger)
      defer { gateway.close() }
      let processing = try Connection.open(processing, logger: logger)
      defer { processing.close() }
      var (story, told): (Story, [UniqueID]) = (Story(), [])
      for id in try payments(question, gateway, processing) {
        let entries = try entries(of: id, gateway, processing)
        story.add(entries)
        if !entries.isEmpty { told.append(id) }
      }
      guard !told.isEmpty else { return .missing("there is no such direct payment") }
      return .told(
        JSONWriter.object { object in
          object.add("direct_payments", told)
          object.add("entries", story.entries)
        })
    } catch {
      return .unavailable("the database cannot be asked: \(error)")
    }
  }

  private func payments(
    _ question: Question, _ gateway: Connection, _ processing: Connection
  ) throws(DatabaseError) -> [UniqueID] {
    switch question {
    case .order(let order): return try gatewayStories.payments(ofOrder: order, on: gateway)
    // Before its claim only the gateway knows it.
    case .payment(let id): return [try processingStories.payment(ofOperation: id, on: processing) ?? id]
    case .event(let id):
      if let payment = try gatewayStories.payment(ofEvent: id, on: gateway) { return [payment] }
      return try processingStories.payment(ofEvent: id, on: processing).map { [$0] } ?? []
    }
  }

  private func entries(
    of id: UniqueID, _ gateway: Connection, _ processing: Connection
  ) throws(DatabaseError) -> [Story.Entry] {
    let processed = try processingStories.story(of: id, on: processing)
    let requesters = Requesters(reviewer: processed.trail.reviewer, canceller: processed.trail.canceller)
    return try gatewayStories.entries(of: id, requesters: requesters, on: gateway) + processed.entries
  }

  /// What the page is asked for.
  private enum Question: Sendable {
    /// A direct payment, or a refund of it.
    case payment(UniqueID)
    case order(Int64)
    case event(UniqueID)

    init?(_ name: String, _ value: String) {
      switch name {
      case "payment":
        guard let id = UniqueID(value) else { return nil }
        self = .payment(id)
      case "order":
        guard let number = Int64(value), number > 0 else { return nil }
        self = .order(number)
      case "event":
        guard let id = UniqueID(value) else { return nil }
        self = .event(id)
      default: return nil
      }
    }
  }
}
