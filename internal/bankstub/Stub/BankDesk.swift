internal import BankStubDomain
internal import HTTPServer
internal import Logger
internal import Runtime
internal import Values

/// Carries out the bank's requests, a batch at a time: in the book, then on disk, then in the answers.
final class BankDesk: Sendable {
  /// What a caller asks for.
  enum Job: Sendable {
    case charge(ChargeRequest)
    case refund(RefundRequest)
    case find(UniqueID)
    case reverse(UniqueID)
  }

  private struct State {
    var book: BankBook
    var behaviour = BankBehaviour()
    var queue: [(Job, HTTPExchange)] = []
    var isStopped = false
  }

  private let journal: BankJournal
  private let logger: Logger
  private let state: Monitor<State>
  private let replies = BankReplies()

  /// The most requests that wait.
  private static let queueLimit = 100_000

  /// - Parameter sync: as of `BankJournal`.
  /// - Throws: when the file cannot be read.
  init(
    path: String, sync: @escaping @Sendable (_ descriptor: Int32) -> Int32, logger: Logger
  ) throws(BankStubError) {
    journal = try BankJournal(path: path, sync: sync)
    self.logger = logger
    state = Monitor(State(book: BankBook(try journal.operations())))
  }

  /// Begins to work. - Returns: the thread.
  func start() -> WorkerThread {
    replies.start()
    return WorkerThread(name: "bank-desk") { [self] in work() }
  }

  /// Ends the work; what waits is not answered.
  func stop() {
    state.update { $0.isStopped = true }
    replies.stop()
  }

  /// - Returns: false when too much waits.
  func submit(_ job: Job, _ exchange: HTTPExchange) -> Bool {
    state.update { state in
      guard state.queue.count < Self.queueLimit, !state.isStopped else { return false }
      state.queue.append((job, exchange))
      return true
    }
  }

  /// Reads or changes how the bank behaves.
  func withBehaviour<Value, Failure: Error>(
    _ body: (inout BankBehaviour) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    var result: Result<Value, Failure>?
    state.withLock { state in
      do throws(Failure) {
        result = .success(try body(&state.behaviour))
      } catch {
        result = .failure(error)
      }
    }
    return try result!.get()  // set in every case
  }

  /// The operations, by ascending id.
  var operations: [BankOperation] { state.withLock { Array($0.book.operations.values) }.sorted { $0.id < $1.id } }

  /// One operation, shown or not.
  func operation(_ id: UniqueID) -> BankOperation? { state.withLock { $0.book.operations[id] } }

  /// The statement of a time. On disk is what it lists: operations are written before they are answered, and those that
  /// are not answered yet may be in it.
  func statement(from: Timestamp, to: Timestamp) -> BankStatement {
    state.withLock { state in
      var random = SystemRandomNumberGenerator()
      return BankStatement(state.book.operations.values, from: from, to: to, &state.behaviour, using: &random)
    }
  }

  // MARK: - The desk's thread

  private func work() {
    while let batch = next() {
      let (lines, replies) = carryOut(batch)
      do throws(BankStubError) {
        if !lines.isEmpty { try journal.append(lines) }
      } catch {
        logger.endProcess("the bank's file cannot be written", ["error": .error(error)])
      }
      self.replies.send(replies)
    }
  }

  /// What waits; nil at the end.
  private func next() -> [(Job, HTTPExchange)]? {
    state.wait { state -> [(Job, HTTPExchange)]?? in
      if state.isStopped { return .some(nil) }
      if state.queue.isEmpty { return nil }
      defer { state.queue = [] }
      return state.queue
    } ?? nil
  }

  private func carryOut(_ batch: [(Job, HTTPExchange)]) -> (lines: [[UInt8]], replies: [BankReply]) {
    var lines: [[UInt8]] = []
    var replies: [BankReply] = []
    state.withLock { state in
      var random = SystemRandomNumberGenerator()
      for (job, exchange) in batch {
        let fault = BankBook.fault(&state.behaviour, using: &random)
        let delay = Int.random(in: state.behaviour.delay, using: &random)
        var reply = BankReply(exchange, fault: fault)
        guard fault?.isCarriedOut ?? true else {
          switch job {
          case .charge(let request): lines.append(state.book.ignore(request.operationID).line)
          case .refund(let request):
            lines.append(state.book.ignore(request.refundID, refundOf: request.operationID).line)
          case .find, .reverse: break
          }
          replies.append(reply)
          continue
        }
        switch job {
        case .charge(let request):
          let operation = state.book.date(state.book.charge(request, state.behaviour, using: &random), at: .now())
          lines.append(operation.line)
          reply.answer(operation, asked: (request.userID, request.amount))
          reply.delay = .milliseconds(delay)
        case .refund(let request):
          let operation = state.book.date(state.book.refund(request, state.behaviour, using: &random), at: .now())
          lines.append(operation.line)
          reply.answer(operation, asked: (nil, request.amount))
          reply.delay = .milliseconds(delay)
        case .find(let id):
          if let operation = state.book.find(id) { reply.answer(operation) } else { reply.answerNotFound(id) }
        case .reverse(let id):
          let operation = state.book.reverse(id)
          lines.append(operation.line)
          reply.answer(operation)
        }
        replies.append(reply)
      }
    }
    return (lines, replies)
  }
}
