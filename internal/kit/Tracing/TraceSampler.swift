/// Which traces are recorded. The words are OpenTelemetry's (`OTEL_TRACES_SAMPLER`).
public struct TraceSampler: Sendable, Hashable {
  /// What becomes of a trace that begins here.
  private let threshold: UInt64
  /// Whether a trace that began elsewhere is recorded when it is recorded there.
  private let followsParent: Bool

  /// - Parameters:
  ///   - name: `always_on`, `always_off`, `traceidratio`, each also with `parentbased_` in front.
  ///   - ratio: of `traceidratio`: the part of the traces, from 0 to 1.
  /// - Returns: nil for another name or ratio.
  public init?(_ name: String, ratio: Double = 1) {
    guard (0...1).contains(ratio) else { return nil }
    let prefix = "parentbased_"
    followsParent = name.hasPrefix(prefix)
    switch followsParent ? String(name.dropFirst(prefix.count)) : name {
    case "always_on": threshold = Self.all
    case "always_off": threshold = 0
    // The ratio is at most 1, so the product is at most 2^63.
    case "traceidratio": threshold = UInt64(ratio * Double(Self.all))
    default: return nil
    }
  }

  /// 2^63: of the trace's id the last 63 bits are compared, as OpenTelemetry's libraries do, so that all of them record
  /// the same traces.
  private static let all: UInt64 = 1 << 63

  func records(_ trace: TraceID, parent: TraceContext?) -> Bool {
    if followsParent, let parent { return parent.isSampled }
    return trace.low & (Self.all - 1) < threshold
  }
}
