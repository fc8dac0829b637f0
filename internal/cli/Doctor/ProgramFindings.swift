import Values

/// What is wrong with running programs, by what they say. Pure.
package struct ProgramFindings {
  /// How long before its end a certificate is a finding.
  private static let certificateNotice: Double = 14 * 86_400
  /// Settings that tell instances apart.
  private static let ownSettings: Set<String> = [
    "ADMIN_ADDR", "SERVER_GRPC_ADDR", "LOG_LEVEL", "LOG_FORMAT", "CRON_ENABLED",
  ]
  /// How the name of a setting ends that says where this instance listens.
  private static let ownEndings = ["_ADDR", "_FILE", "_THREADS"]

  private let states: [ProgramState]

  /// - Parameter states: those of all programs that answered.
  package init(_ states: [ProgramState]) { self.states = states }

  /// - Parameter now: in seconds since 1970.
  package func all(now: Double) -> [Finding] {
    readiness + versions + disagreements + certificates(now)
  }

  private var readiness: [Finding] {
    states.flatMap { state in
      state.checks.filter { !$0.isReady }.map { check in
        Finding(
          state.subject, "\(check.name) is not ready\(check.detail.isEmpty ? "" : ": \(check.detail)")",
          "see its log and docs/operations.md")
      }
    }
  }

  /// Programs of several versions may run beside each other while they are upgraded, and for no longer.
  private var versions: [Finding] {
    let builds = Dictionary(grouping: states.filter { !$0.version.isEmpty }) {
      $0.commit.isEmpty || $0.commit == "unknown" ? $0.version : "\($0.version) (\($0.commit.prefix(12)))"
    }
    guard builds.count > 1 else { return [] }
    let words = builds.sorted { $0.key < $1.key }.map {
      "\($0.key): \($0.value.map(\.subject).joined(separator: ", "))"
    }
    return [Finding("programs", "they are of several versions: \(words.joined(separator: "; "))", "finish the upgrade")]
  }

  /// Settings of one name that programs have with other values. What names an instance's own place is left out.
  private var disagreements: [Finding] {
    var values: [String: [String: [String]]] = [:]
    for state in states {
      for (name, value) in state.settings ?? [:] where !Self.isOwn(name) {
        values[name, default: [:]][Self.comparable(value, of: name), default: []].append(state.subject)
      }
    }
    return values.filter { $0.value.count > 1 }.sorted { $0.key < $1.key }.map { name, owners in
      let words = owners.sorted { $0.key < $1.key }.map { "\"\($0.key)\" of \($0.value.joined(separator: ", "))" }
      return Finding(name, "programs disagree: \(words.joined(separator: "; "))", "give all of them the same value")
    }
  }

  /// The address of a database without who comes: each program may have a role of its own.
  private static func comparable(_ value: String, of name: String) -> String {
    guard name.hasSuffix("_DSN"), let slash = value.firstIndex(of: "/"), let user = value.lastIndex(of: "@"),
      slash < user
    else { return value }
    return value[...slash] + "/" + value[value.index(after: user)...]
  }

  private static func isOwn(_ name: String) -> Bool {
    ownSettings.contains(name) || ownEndings.contains { name.hasSuffix($0) }
  }

  private func certificates(_ now: Double) -> [Finding] {
    states.flatMap { state in
      state.certificateEnds.sorted { $0.key < $1.key }.compactMap { name, end -> Finding? in
        let left = end - now
        guard left < Self.certificateNotice else { return nil }
        let time = Timestamp(microseconds: Int64(saturating: end * 1e6))
        let server = name.split(separator: "\"").dropFirst().first
        return Finding(
          state.subject,
          "its certificate \(server.map { "for \($0) " } ?? "")\(left <= 0 ? "ended" : "ends") at \(time)",
          "put a new one in place and \(server == nil ? "send the program SIGHUP" : "restart the program")")
      }
    }
  }
}
