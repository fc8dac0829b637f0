/// The callers that have no answer yet, by the names of their calls.
///
/// Elements are objects without a type. Generic code that other modules use is compiled once for all types; there an
/// array of a generic class would cost each call a thousand instructions.
struct CallerTable {
  typealias Element = any (AnyObject & Sendable)

  private var callers: [Element?] = []
  private var free: [GroupCommitCore.CallID] = []

  /// The callers of calls that have no answer.
  subscript(_ ids: [GroupCommitCore.CallID]) -> [Element] { ids.map { self[$0] } }

  private subscript(_ id: GroupCommitCore.CallID) -> Element {
    guard let caller = callers[id] else { preconditionFailure("call \(id) has been answered") }
    return caller
  }

  /// - Returns: the name of the caller's call.
  mutating func add(_ caller: Element) -> GroupCommitCore.CallID {
    guard let id = free.popLast() else {
      callers.append(caller)
      return callers.count - 1
    }
    callers[id] = caller
    return id
  }

  /// Frees a name.
  mutating func remove(_ id: GroupCommitCore.CallID) -> Element {
    let caller = self[id]
    callers[id] = nil
    free.append(id)
    return caller
  }

  /// Frees the names of calls that get their outcomes.
  mutating func remove(_ decided: [GroupCommitCore.DecidedCall]) {
    for call in decided { _ = remove(call.id) }
  }
}
