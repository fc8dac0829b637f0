internal import Crypto
public import RiskDomain
public import Values

extension RiskPayment {
  /// A payment by what its tables have.
  /// - Parameters:
  ///   - cardFingerprints: of the card, the one that it is counted by first; empty for other methods.
  ///   - account: the number of the account that pays; nil for other methods.
  public init(
    id: UniqueID, facts: RiskFacts, userID: UniqueID, payeeID: UniqueID, cardFingerprints: [[UInt8]], account: String?
  ) {
    var keys = [RiskKey(.user, userID), RiskKey(.payee, payeeID)]
    if let first = cardFingerprints.first { keys.append(RiskKey(.card, first)) }
    if let account { keys.append(RiskKey(.account, SHA256.digest(of: Array(account.utf8).span.bytes))) }
    let earlier = cardFingerprints.dropFirst().map { RiskKey(.card, $0) }
    self.init(id: id, facts: facts, keys: keys, earlierKeys: earlier)
  }
}
