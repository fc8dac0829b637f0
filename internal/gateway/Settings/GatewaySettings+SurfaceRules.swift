internal import GatewayDomain
internal import Money
internal import Settings
internal import Values

/// What the surfaces transactions and demo do.
extension GatewaySettings {
  static let surfaceRuleRows: [Setting<GatewaySettings>] = [
    .choice(
      "GATEWAY_TRANSACTIONS_METHOD", \.surfaces.transactionsSource, ["account": .account, "balance": .balance],
      .value("account"), programs,
      "what payments of the surface transactions are paid from: an account outside, which the bank knows by the user's"
        + " name, or the user's balance here"),
    .choice(
      "GATEWAY_TRANSACTIONS_AMOUNT", \.surfaces.transactionsUnit, ["major": .major, "minor": .minor], .value("major"),
      programs, "what amounts of the surface transactions count: units such as euros, or the smallest such as cents"),
    .parsed(
      "GATEWAY_TRANSACTIONS_BASIC", \.surfaces.transactionsCredentials, rule: "USER:PASSWORD, or nothing",
      isSecret: true, credentials, .value(""), programs,
      "user and password of the surface transactions (HTTP Basic); empty: `user:1234`, on loopback only"),
    .boolean(
      "GATEWAY_DEMO_CHECK_IDS", \.surfaces.demoChecksIDs, .value("false"), programs,
      "whether users and payment methods of payments on the surface demo must be there"),
  ]

  private static let credentials: @Sendable (String) -> String? = { text in
    if text.isEmpty { return text }
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    return parts.count == 2 && !parts[0].isEmpty && !parts[1].isEmpty ? text : nil
  }
}

extension GatewaySettings.Surfaces {
  /// Derives the credentials that the older system had.
  /// - Throws: when everybody beyond this machine would know them, and nobody has asked for that.
  mutating func finishCredentials() throws(SettingsError) {
    guard transactionsCredentials.isEmpty else { return }
    guard let address = transactions, !address.isLoopback else {
      transactionsCredentials = "user:1234"
      return
    }
    throw SettingsError(
      .missingSetting, setting: "GATEWAY_TRANSACTIONS_BASIC",
      "GATEWAY_TRANSACTIONS_ADDR=\(address) reaches beyond this machine, where everybody knows the default of"
        + " GATEWAY_TRANSACTIONS_BASIC: expected a user and a password of your own")
  }
}
