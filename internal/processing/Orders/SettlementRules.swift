public import ProcessingStore
public import SagaClient
public import Values

/// Decides what becomes of a settlement by what the saga answers. Pure.
public struct SettlementRules: Sendable {
  /// How long the saga may say that it does not know the order before that is believed: its tables may have been
  /// restored, or its message may be late. Time in which it says nothing does not count.
  public var unknownPatience = Duration.seconds(24 * 3_600)
  /// The pause after the first attempt; it doubles with each.
  public var firstPause = Duration.seconds(1)
  /// The longest pause between two attempts.
  public var longestPause = Duration.seconds(60)

  /// The times that suit the saga.
  public init() {}

  /// The reason under which a payment settles its order, by which the saga's answer shows whose settlement counted.
  public static func reason(of payment: UniqueID) -> String { "direct:\(payment)" }

  /// - Parameter spread: from 0 to 1, so that settlements which failed together do not come again together.
  public func verdict(_ answer: SettleAnswer, on settlement: Settlement, spread: Double) -> SettlementVerdict {
    let pause = pause(after: settlement.attempts, spread: spread)
    switch answer {
    case .settled: return .finished
    case .settledByAnother(let reason):
      return .dead(
        detail: "order \(settlement.orderID) was paid by somebody else: the saga has the reason \"\(reason)\"")
    case .refused(let message): return .dead(detail: "order \(settlement.orderID) cannot be settled: \(message)")
    case .unknownOrder:
      let unknownFor = settlement.unknownFor
      if unknownFor >= unknownPatience {
        return .dead(
          detail: "the saga has not known order \(settlement.orderID) for \(unknownFor.inMilliseconds / 1_000) s")
      }
      return .again(after: pause, error: "the saga does not know order \(settlement.orderID)", isUnknown: true)
    case .unavailable(let failure): return .again(after: pause, error: failure.description, isUnknown: false)
    }
  }

  private func pause(after attempts: Int, spread: Double) -> Duration {
    var pause = min(firstPause, longestPause)
    var attempt = 1
    while attempt < attempts, pause < longestPause {
      pause = min(pause * 2, longestPause)
      attempt += 1
    }
    return pause / 2 + pause / 2 * spread
  }
}
