public import Values

/// Logs an obstacle when it begins, once a minute while it lasts, and when it is over.
/// For one thread at a time.
public struct ObstacleLog: Sendable {
  private static let interval = Duration.seconds(60)

  private struct Spell: Sendable {
    let began: Instant
    var told: Instant
    var sightings = 1
  }

  private let what: String
  private let logger: Logger
  private var spell: Spell?

  /// - Parameter what: what does not go on, such as `events are not published`.
  public init(_ what: String, _ logger: Logger) {
    self.what = what
    self.logger = logger
  }

  /// Sets the present obstacle; nil for none.
  /// - Parameter count: how often it has failed so far, when that is counted elsewhere; otherwise the calls are.
  public mutating func note(_ reason: String?, count: Int? = nil, at now: Instant) {
    guard let reason else {
      guard let over = spell else { return }
      spell = nil
      logger.info(
        "over: \(what)",
        ["lasted_s": .number((now - over.began).inMilliseconds / 1_000), "count": .number(count ?? over.sightings)])
      return
    }
    note(error: .absent, reason: .string(reason), count, at: now)
  }

  /// Sets the present obstacle, which is an error.
  public mutating func note(error: any Error, at now: Instant) {
    note(error: .error(error), reason: .absent, nil, at: now)
  }

  private mutating func note(error: LogValue, reason: LogValue, _ count: Int?, at now: Instant) {
    guard var known = spell else {
      spell = Spell(began: now, told: now)
      logger.warning(what, ["error": error, "reason": reason, "count": .number(count ?? 1)])
      return
    }
    known.sightings += 1
    // Reasons count seconds and take turns: another one alone is not told at once.
    if now - known.told >= Self.interval {
      known.told = now
      logger.warning(
        what,
        [
          "error": error, "reason": reason, "since_s": .number((now - known.began).inMilliseconds / 1_000),
          "count": .number(count ?? known.sightings),
        ])
    }
    spell = known
  }
}
