internal import Crypto
public import RiskDomain
public import Values

extension RiskPayment {
  /// A payment by what its tables have.
  /// - Parameters:
  ///   - cardFingerprint: of the card; nil for other methods.
  ///   - account: the number of the account that pays; nil for other methods.
  public init(
    id: UniqueID, facts: RiskFacts, userID: UniqueID, payeeID: UniqueID, cardFingerprint: [UInt8]?, account: String?
  ) {
    var keys = [RiskKey(.user, userID), RiskKey(.payee, payeeID)]
    if let cardFingerprint { keys.append(RiskKey(.card, cardFingerprint)) }
    if let account { keys.append(RiskKey(.account, SHA256.digest(of: Array(account.utf8).span.bytes))) }
    self.init(id: id, facts: facts, keys: keys)
  }
}
