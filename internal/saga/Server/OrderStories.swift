internal import Admin
internal import Errors
internal import Logger
internal import Postgres
internal import SagaSchema
internal import SagaStore
internal import Values

/// The stories of orders' payments, from the saga's tables, for the page `/trace` of the admin endpoint.
struct OrderStories: Sendable {
  private let stories = PaymentStories(SagaSchema.outbox)
  private let configuration: DatabaseConfiguration
  private let logger: Logger

  /// - Parameter configuration: of the connections that are opened for questions, one each.
  init(_ configuration: DatabaseConfiguration, logger: Logger) {
    self.configuration = configuration.forLooking
    self.logger = logger.labelled("trace")
  }

  var page: AdminPage {
    StoryPage(
      title: "what happened to an order: ?order=111, ?payment=42 or ?event=UUID",
      questions: "order=NUMBER, payment=NUMBER and event=UUID", read: Question.init, answer: answer
    ).page
  }

  private func answer(_ question: Question) -> StoryPage<Question>.Answer {
    do throws(DatabaseError) {
      let connection = try Connection.open(configuration, logger: logger)
      defer { connection.close() }
      guard let story = try question.ask(stories, on: connection) else { return .missing("there is no such payment") }
      return .told(
        JSONWriter.object { object in
          object.add("order_id", story.orderID)
          object.add("payment_id", story.paymentID)
          object.add("status", story.status)
          object.add("entries", story.entries)
        })
    } catch {
      return .unavailable("the database cannot be asked: \(error)")
    }
  }

  /// What the page is asked for.
  private enum Question: Sendable {
    case order(Int64)
    case payment(Int64)
    case event(UniqueID)

    init?(_ name: String, _ value: String) {
      switch name {
      case "order":
        guard let number = Int64(value), number > 0 else { return nil }
        self = .order(number)
      case "payment":
        guard let number = Int64(value), number > 0 else { return nil }
        self = .payment(number)
      case "event":
        guard let id = UniqueID(value) else { return nil }
        self = .event(id)
      default: return nil
      }
    }

    func ask(_ stories: PaymentStories, on connection: Connection) throws(DatabaseError) -> PaymentStory? {
      switch self {
      case .order(let number): return try stories.story(order: number, on: connection)
      case .payment(let number): return try stories.story(payment: number, on: connection)
      case .event(let id):
        guard let order = try stories.order(ofEvent: id, on: connection) else { return nil }
        return try stories.story(order: order, on: connection)
      }
    }
  }
}
