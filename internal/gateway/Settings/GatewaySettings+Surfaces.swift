public import GatewayDomain
public import Money
internal import Settings
public import Values

extension GatewaySettings {
  /// The surfaces of older systems: each has an address of its own, and is off without one.
  public struct Surfaces: Sendable {
    /// `GATEWAY_CARDS_ADDR`.
    public var cards: NetworkAddress?
    /// `GATEWAY_TRANSACTIONS_ADDR`.
    public var transactions: NetworkAddress?
    /// `GATEWAY_PAYMENTS_ADDR`.
    public var payments: NetworkAddress?
    /// `GATEWAY_UPDATER_ADDR`: what the payments surface had a second program for.
    public var updater: NetworkAddress?
    /// `GATEWAY_PAGE_ADDR`: the page of the surface payments.
    public var page: NetworkAddress?
    /// `GATEWAY_DEMO_ADDR`.
    public var demo: NetworkAddress?
    /// `GATEWAY_DEFAULT_CURRENCY`: of surfaces whose requests name none.
    public var currency = Currency("USD")!  // in the list of currencies
    /// `GATEWAY_TRANSACTIONS_METHOD`: what payments of the surface transactions are paid from.
    public var transactionsSource = TransactionsSource.account
    /// `GATEWAY_TRANSACTIONS_AMOUNT`: what its amounts count.
    public var transactionsUnit = AmountUnit.major
    /// `GATEWAY_TRANSACTIONS_BASIC`: `user:password` of its callers.
    public var transactionsCredentials = ""
    /// `GATEWAY_DEMO_CHECK_IDS`: whether users and payment methods of the surface demo must be there.
    public var demoChecksIDs = false
    /// Where readers of the older systems are told of payments.
    public var topics = SurfaceTopics()

    /// The addresses that are set, by the names of their settings.
    public var addresses: [(setting: String, address: NetworkAddress)] {
      [
        ("GATEWAY_CARDS_ADDR", cards), ("GATEWAY_TRANSACTIONS_ADDR", transactions), ("GATEWAY_PAYMENTS_ADDR", payments),
        ("GATEWAY_UPDATER_ADDR", updater), ("GATEWAY_DEMO_ADDR", demo), ("GATEWAY_PAGE_ADDR", page),
      ].compactMap { setting, address in address.map { (setting, $0) } }
    }

    /// The topics of the surfaces that are on.
    public var topicsInUse: [String] {
      var names: [String] = []
      if payments != nil || page != nil || transactions != nil { names.append(topics.payments) }
      if payments != nil || page != nil { names.append(topics.results) }
      if transactions != nil { names.append(topics.statuses) }
      if demo != nil { names.append(topics.requests) }
      return names
    }
  }

  static let surfaceRows: [Setting<GatewaySettings>] = addressRows + surfaceRuleRows + topicRows

  private static let addressRows: [Setting<GatewaySettings>] = [
    .optionalListener(
      "GATEWAY_CARDS_ADDR", \.surfaces.cards, .value(""), programs,
      "listen address of the surface cards, which asks for no API key; beyond loopback it needs TLS or"
        + " `GATEWAY_BEHIND_TLS`, as the next ones do"),
    .optionalListener(
      "GATEWAY_TRANSACTIONS_ADDR", \.surfaces.transactions, .value(""), programs,
      "listen address of the surface transactions"),
    .optionalListener(
      "GATEWAY_PAYMENTS_ADDR", \.surfaces.payments, .value(""), programs, "listen address of the surface payments"),
    .optionalListener(
      "GATEWAY_PAGE_ADDR", \.surfaces.page, .value(""), programs,
      "listen address of the web page of the surface payments"),
    .optionalListener(
      "GATEWAY_UPDATER_ADDR", \.surfaces.updater, .value(""), programs,
      "listen address of the greeting of the updater, which belongs to the surface payments"),
    .optionalListener(
      "GATEWAY_DEMO_ADDR", \.surfaces.demo, .value(""), programs, "listen address of the surface demo"),
    .parsed(
      "GATEWAY_DEFAULT_CURRENCY", \.surfaces.currency, rule: "a code of ISO 4217", { Currency($0) }, .value("USD"),
      programs, "currency of payments from the surfaces cards and payments, which name none"),
  ]

  private static let topicRows: [Setting<GatewaySettings>] = [
    .name(
      "GATEWAY_PAYMENT_TOPIC", \.surfaces.topics.payments, longest: 249, extra: "._-", .value("payments"), programs,
      "topic of what was asked for on the surfaces payments and transactions; it has `DIRECT_TOPIC_PARTITIONS`, as the"
        + " next ones have"),
    .name(
      "GATEWAY_RESULT_TOPIC", \.surfaces.topics.results, longest: 249, extra: "._-", .value("paymentsResults"),
      programs,
      "topic of what became of payments of the surface payments"),
    .name(
      "GATEWAY_STATUS_TOPIC", \.surfaces.topics.statuses, longest: 249, extra: "._-", .value("status-payments"),
      programs, "topic of what becomes of payments of the surface transactions"),
    .name(
      "GATEWAY_REQUEST_TOPIC", \.surfaces.topics.requests, longest: 249, extra: "._-", .value("payment_request"),
      programs, "topic of payments of the surface demo"),
  ]
}
