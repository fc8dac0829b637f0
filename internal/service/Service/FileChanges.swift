/// When files that have changed are to be read again: once they have rested from one look to the next, so that a
/// certificate whose key is still being written is left alone.
struct FileChanges<State: Equatable> {
  private var read: State
  private var seen: State

  /// - Parameter state: that of the files as they were read.
  init(_ state: State) { (read, seen) = (state, state) }

  /// The files were read in this state.
  mutating func wereRead(_ state: State) { (read, seen) = (state, state) }

  /// One look at the files.
  /// - Returns: whether they are to be read now; they then count as read.
  mutating func look(_ state: State) -> Bool {
    defer { seen = state }
    guard state != read, state == seen else { return false }
    read = state
    return true
  }
}
