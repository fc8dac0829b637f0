import Values

/// What a program told when it was looked at.
struct ProgramLook: Sendable {
  /// Where it was asked.
  let address: String
  /// When its answer was there.
  let at: Instant
  /// Its metrics; nil without an answer.
  let metrics: MetricsPage?
  /// Why there is no answer.
  let problem: String?

  /// A look that was answered.
  init(_ address: String, at: Instant, _ metrics: MetricsPage) {
    self.address = address
    self.at = at
    self.metrics = metrics
    problem = nil
  }

  /// A look without an answer.
  init(_ address: String, at: Instant, problem: String) {
    self.address = address
    self.at = at
    metrics = nil
    self.problem = problem
  }
}

/// The looks at all programs at about one time, in the order of their addresses.
typealias ProgramLooks = [ProgramLook]
