internal import Admin
internal import Errors
internal import HTTPServer
internal import Logger
internal import Postgres
internal import Runtime
internal import SagaSchema
internal import SagaStore
internal import Synchronization
internal import Values

/// The page `/trace` of the admin endpoint: the story of an order's payment as JSON, from the saga's tables.
///
/// The endpoint's thread does not wait, and no call of the API does: each question has a thread and a connection of its
/// own, and there are two at once at most.
final class StoryPage: Sendable {
  private static let mostAtOnce = 2

  private let stories = PaymentStories(SagaSchema.outbox)
  private let configuration: DatabaseConfiguration
  private let logger: Logger
  private let underWay = Mutex(0)

  /// - Parameter configuration: of the connections that are opened for questions.
  init(_ configuration: DatabaseConfiguration, logger: Logger) {
    var configuration = configuration
    // A standby will do, and what is refused here says nothing about whether payments can be written.
    configuration.requiresWriting = false
    configuration.monitor = nil
    self.configuration = configuration
    self.logger = logger.labelled("trace")
  }

  var page: AdminPage {
    AdminPage("/trace", title: "what happened to an order: ?order=111, ?payment=42 or ?event=UUID", showsData: true) {
      [self] request, exchange in
      guard let question = Question(request.query) else {
        return Self.refuse(exchange, 400, "ask for one of order=NUMBER, payment=NUMBER and event=UUID")
      }
      guard begin() else { return Self.refuse(exchange, 503, "others are looking just now; ask again") }
      _ = WorkerThread(name: "trace") { [self] in
        defer { underWay.withLock { $0 -= 1 } }
        answer(question, exchange)
      }
    }
  }

  private func begin() -> Bool {
    underWay.withLock { count in
      if count >= Self.mostAtOnce { return false }
      count += 1
      return true
    }
  }

  private func answer(_ question: Question, _ exchange: HTTPExchange) {
    do throws(DatabaseError) {
      let connection = try Connection.open(configuration, logger: logger)
      defer { connection.close() }
      guard let story = try question.ask(stories, on: connection) else {
        return Self.refuse(exchange, 404, "there is no such payment")
      }
      Self.answer(exchange, 200, Self.json(story))
    } catch {
      Self.refuse(exchange, 503, "the database cannot be asked: \(error)")
    }
  }

  private static func json(_ story: PaymentStory) -> [UInt8] {
    var bytes = JSONWriter.object { object in
      object.add("order_id", story.orderID)
      object.add("payment_id", story.paymentID)
      object.add("status", story.status)
      object.add("entries", story.entries)
    }
    bytes.append(UInt8(ascii: "\n"))
    return bytes
  }

  private static func refuse(_ exchange: HTTPExchange, _ status: Int, _ words: String) {
    answer(exchange, status, JSONWriter.object { $0.add("error", words) } + "\n".utf8)
  }

  private static func answer(_ exchange: HTTPExchange, _ status: Int, _ body: [UInt8]) {
    var response = HTTPResponse.json(status, body)
    response.add("Cache-Control", "no-store")
    exchange.respond(response)
  }

  /// What the page is asked for.
  private enum Question: Sendable {
    case order(Int64)
    case payment(Int64)
    case event(UniqueID)

    init?(_ query: HTTPQuery) {
      guard query.items.count == 1, let item = query.items.first else { return nil }
      switch item.name {
      case "order":
        guard let number = Int64(item.value), number > 0 else { return nil }
        self = .order(number)
      case "payment":
        guard let number = Int64(item.value), number > 0 else { return nil }
        self = .payment(number)
      case "event":
        guard let id = UniqueID(item.value) else { return nil }
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
