internal import Values

/// Whether a program can do its work now, with the state of each thing it depends on.
public struct ReadinessReport: Sendable, Hashable {
  /// The state of one dependency, such as `postgres`.
  public struct Check: Sendable, Hashable {
    /// The dependency, such as `postgres`; unique within a report.
    public let name: String
    /// Whether the program can work with it now.
    public let isReady: Bool
    /// A few words for people; no secrets, anybody may read it.
    public let detail: String

    /// - Parameter detail: a few words for people, without secrets.
    public init(_ name: String, isReady: Bool, detail: String = "") {
      self.name = name
      self.isReady = isReady
      self.detail = detail
    }

    /// A dependency that is not ready while there is a problem, which is then its detail.
    public init(_ name: String, isReady: Bool = true, problem: String?, detail: String = "") {
      self.init(name, isReady: isReady && problem == nil, detail: problem ?? detail)
    }
  }

  /// The dependencies, in the order in which the report lists them.
  public let checks: [Check]
  /// False while the program starts or drains, whatever its dependencies say.
  public let isServing: Bool

  /// The names of the checks without which no call to the program's API can be answered; nil where it has none.
  public let neededForAPI: Set<String>?

  /// - Parameters:
  ///   - checks: each under a name of its own.
  ///   - neededForAPI: the checks that calls depend on, in a program with an API.
  public init(_ checks: [Check], isServing: Bool = true, neededForAPI: Set<String>? = nil) {
    self.checks = checks
    self.isServing = isServing
    self.neededForAPI = neededForAPI
  }

  /// Whether the program works and every dependency is ready: `/readyz` then answers 200, otherwise 503.
  public var isReady: Bool { isServing && checks.allSatisfy(\.isReady) }

  /// The report for load balancers of the API; nil for a program without an API.
  public var forAPI: ReadinessReport? {
    neededForAPI.map { needed in
      ReadinessReport(checks.filter { needed.contains($0.name) }, isServing: isServing, neededForAPI: needed)
    }
  }

  /// `{"status":"ready","checks":{"postgres":{"ok":true,"detail":""}}}`
  var json: [UInt8] {
    JSONWriter.object { report in
      report.add("status", isReady ? "ready" : "not ready")
      report.add("checks") { all in
        for check in checks {
          all.add(named: check.name) { one in
            one.add("ok", check.isReady)
            one.add("detail", check.detail)
          }
        }
      }
    }
  }
}
