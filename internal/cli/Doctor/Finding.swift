/// Something that is wrong, and what to do about it.
package struct Finding: Sendable, Hashable {
  /// What it is about: a program with its address, a database, an outbox, a group.
  package let subject: String
  /// What was found.
  package let problem: String
  /// What to do.
  package let remedy: String

  init(_ subject: String, _ problem: String, _ remedy: String) {
    self.subject = subject
    self.problem = problem
    self.remedy = remedy
  }

  var record: Record {
    ["finding": .text(subject), "problem": .text(problem), "do": .text(remedy)]
  }
}
