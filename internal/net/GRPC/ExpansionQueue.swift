internal import HTTP2
internal import Runtime

/// The budget of a loop for decompressing messages in one turn, and the calls whose messages wait for a later turn.
///
/// A message of a few KiB may expand to the size limit: without the budget, a handful of callers could take all of the
/// loop's time.
final class ExpansionQueue: TurnEndTarget, @unchecked Sendable {
  // @unchecked: touched on the loop's thread only.
  private let loop: EventLoop
  private let limit: Int
  @exclusivity(unchecked) private var expanded = 0
  @exclusivity(unchecked) private var isNoted = false
  @exclusivity(unchecked) private var waiting: [(connection: ServerConnection, stream: HTTP2Stream)] = []
  @exclusivity(unchecked) private var start = 0

  /// - Parameter limit: bytes a turn; the message that reaches it is still expanded whole.
  init(_ loop: EventLoop, limit: Int) {
    self.loop = loop
    self.limit = limit
  }

  /// Whether a message may be expanded in this turn: none overtakes those that wait.
  var mayExpand: Bool { start == waiting.count && expanded < limit }

  /// Charges the bytes that a message expanded to.
  func note(_ bytes: Int) {
    expanded += bytes
    askForTurnEnd()
  }

  /// `resumeExpanding` is called in a later turn.
  func wait(_ connection: ServerConnection, _ stream: HTTP2Stream) {
    waiting.append((connection, stream))
    askForTurnEnd()
  }

  private func askForTurnEnd() {
    guard !isNoted else { return }
    isNoted = true
    loop.atTurnEnd(self)
  }

  func turnEnded() {
    isNoted = false
    expanded = 0
    // After the sockets of the next turn.
    if start < waiting.count { loop.execute { [self] in resume() } }
  }

  private func resume() {
    while expanded < limit, start < waiting.count {
      let next = waiting[start]
      start += 1
      next.connection.resumeExpanding(next.stream)
    }
    if start == waiting.count {
      waiting.removeAll(keepingCapacity: start <= 64)
      start = 0
    } else {
      if start > 64, start * 2 > waiting.count {
        waiting.removeFirst(start)
        start = 0
      }
      askForTurnEnd()
    }
  }
}
