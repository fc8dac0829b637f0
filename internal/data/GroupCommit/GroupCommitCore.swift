/// How far a call of a group commit has come, and so what may be said when its time is up. Pure; its owner keeps two
/// threads from changing it at once.
struct CallProgress {
  private(set) var isAnswered = false
  /// A transaction with it is under way.
  private var isRunning = false
  /// One with it has ended in a way that is not known; stays so whatever comes after.
  private(set) var isUnknown = false

  /// Its transaction begins.
  /// - Returns: false when it must not be part of it, as its caller was told that nothing was done.
  mutating func begin() -> Bool {
    if isAnswered { return false }
    isRunning = true
    return true
  }

  /// Its transaction came to nothing, or to what is not known.
  mutating func end(isUnknown: Bool) {
    isRunning = false
    self.isUnknown = self.isUnknown || isUnknown
  }

  /// Whether the change may have been made, or may yet be.
  var mayHaveHappened: Bool { isRunning || isUnknown }

  /// Its caller is told something.
  /// - Returns: false when it was told before.
  mutating func answer() -> Bool {
    defer { isAnswered = true }
    return !isAnswered
  }
}
