internal import Values

/// Counts PINGs that are too frequent (gRFC A8, "server enforcement").
struct PingPolicy {
  private let configuration: HTTP2Configuration
  private var last: Instant?
  private var strikes = 0

  init(_ configuration: HTTP2Configuration) { self.configuration = configuration }

  /// HEADERS or DATA went out: a client may ping again.
  mutating func sentFrames() {
    strikes = 0
    last = nil
  }

  /// - Returns: false when the client has too many strikes.
  mutating func received(_ now: Instant, hasStreams: Bool) -> Bool {
    let minimum = hasStreams ? configuration.minPingInterval : configuration.minPingIntervalIdle
    defer { last = now }
    guard let last, now < last + minimum else { return true }
    strikes += 1
    return strikes <= configuration.maxPingStrikes
  }
}
