/// Why a lease was lost.
package enum LeaseLoss: String, Sendable, CaseIterable {
  /// It was not renewed in time: the database, or this process, was away for too long.
  case expired = "it was not renewed in time"
  /// Another relay has the shard.
  case taken = "another relay has it"
  /// The producer did not answer for a message within its time.
  case unanswered = "the producer did not answer for a message in time"
  /// Another server, or one that was started anew, answers.
  case otherServer = "the database's server is another one, or was started anew"
  /// The epoch in the table is lower than it was.
  case lowered = "somebody has lowered its epoch"
}

/// The leases that were lost and not yet reported. Pure.
///
/// The database says only that a lease no longer holds under its epoch. An operator's action raises epochs too, and
/// leaves the lease to its owner: whether it was one shows when the shard is claimed anew.
struct LeaseLosses: Sendable {
  /// How many answers to lease requests may pass before a shard that was not claimed counts as taken: the first may
  /// belong to a request from before the loss.
  private static let patience = 2

  private var known: [LeaseLoss: Int] = [:]
  private var recalled = 0
  /// Lost for a reason that is not known yet, with the number of answers since.
  private var open: [Int16: Int] = [:]

  /// A lease was lost for a known reason.
  mutating func add(_ loss: LeaseLoss) { known[loss, default: 0] += 1 }

  /// The database no longer knows the lease under its epoch.
  mutating func addFenced(_ shard: Int16) { open[shard] = 0 }

  /// A lease request was answered.
  mutating func judge(_ report: LeaseReport) {
    let claimed = Set(report.claimed.map(\.shard))
    for (shard, answers) in open {
      if report.recalled.contains(shard) {
        recalled += 1
      } else if claimed.contains(shard) || answers + 1 >= Self.patience {
        add(.taken)
      } else {
        open[shard] = answers + 1
        continue
      }
      open[shard] = nil
    }
  }

  mutating func report(into actions: inout [RelayCore.Action]) {
    for loss in LeaseLoss.allCases {
      if let shards = known.removeValue(forKey: loss) { actions.append(.reportLoss(loss, shards: shards)) }
    }
    if recalled > 0 { actions.append(.reportRecall(shards: recalled)) }
    recalled = 0
  }
}
