public import Values

/// What is known of a run of a program from its start.
public struct ProgramFacts: Sendable {
  /// The program's name.
  public let program: String
  /// Its version.
  public let version: String
  /// The commit that it was built from, or `unknown`.
  public let commit: String
  /// The name of this run of the process.
  public let instance: String
  /// When the process started.
  public let started: Timestamp

  /// - Parameters:
  ///   - program: the program's name.
  ///   - version: its version.
  ///   - commit: what it was built from.
  ///   - instance: unique to this run of the process.
  ///   - started: when the process started.
  public init(program: String, version: String, commit: String, instance: String, started: Timestamp) {
    self.program = program
    self.version = version
    self.commit = commit
    self.instance = instance
    self.started = started
  }

  /// `{"program":"payments-server","version":"0.1.0","commit":"…","instance":"…","started":"…"}`
  var json: [UInt8] {
    JSONWriter.object { facts in
      facts.add("program", program)
      facts.add("version", version)
      facts.add("commit", commit)
      facts.add("instance", instance)
      facts.add("started", started)
    }
  }
}
