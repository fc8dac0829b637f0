internal import HTTPServer
internal import Runtime
internal import Synchronization
internal import Values

/// The page `/trace` of an admin endpoint: what happened to one thing, as JSON.
///
/// The endpoint's thread does not wait, and no call of an API does: each question has a thread of its own, and there
/// are two at once at most.
public final class StoryPage<Question: Sendable>: Sendable {
  /// The answer to a question.
  public enum Answer: Sendable {
    /// The story, a JSON object.
    case told([UInt8])
    /// There is no such thing; why, in words.
    case missing(String)
    /// It cannot be told now; why, in words.
    case unavailable(String)
  }

  private let title: String
  private let questions: String
  private let read: @Sendable (_ name: String, _ value: String) -> Question?
  private let answer: @Sendable (Question) -> Answer
  private let underWay = Mutex(0)

  /// - Parameters:
  ///   - title: what the page shows, in a few words for people.
  ///   - questions: what it may be asked for, in words, such as `order=NUMBER`.
  ///   - read: a parameter of the query as a question; nil for one that is none.
  ///   - answer: called on a thread that may block.
  public init(
    title: String, questions: String, read: @escaping @Sendable (_ name: String, _ value: String) -> Question?,
    answer: @escaping @Sendable (Question) -> Answer
  ) {
    self.title = title
    self.questions = questions
    self.read = read
    self.answer = answer
  }

  /// The page, which shows data.
  public var page: AdminPage {
    AdminPage("/trace", title: title, showsData: true) { [self] request, exchange in
      let items = request.query.items
      guard items.count == 1, let item = items.first, let question = read(item.name, item.value) else {
        return Self.refuse(exchange, 400, "ask for one of \(questions)")
      }
      guard begin() else { return Self.refuse(exchange, 503, "others are looking just now; ask again") }
      _ = WorkerThread(name: "trace") { [self] in
        let answer = answer(question)
        // Before the caller knows, who may ask the next question at once.
        underWay.withLock { $0 -= 1 }
        switch answer {
        case .told(let json): Self.answer(exchange, 200, json + "\n".utf8)
        case .missing(let words): Self.refuse(exchange, 404, words)
        case .unavailable(let words): Self.refuse(exchange, 503, words)
        }
      }
    }
  }

  private func begin() -> Bool {
    underWay.withLock { count in
      if count >= 2 { return false }
      count += 1
      return true
    }
  }

  private static func refuse(_ exchange: HTTPExchange, _ status: Int, _ words: String) {
    answer(exchange, status, JSONWriter.object { $0.add("error", words) } + "\n".utf8)
  }

  private static func answer(_ exchange: HTTPExchange, _ status: Int, _ body: [UInt8]) {
    var response = HTTPResponse.json(status, body)
    response.add("Cache-Control", "no-store")
    exchange.respond(response)
  }
}
