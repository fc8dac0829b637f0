public import Cards
internal import Settings
internal import Values

/// How webhooks are sent: a group of settings.
public struct WebhookSettings: Sendable {
  /// `WEBHOOK_SECRET_KEYS`: of which the secrets of endpoints are made; nil for no webhooks.
  public var secretKeys: CardFingerprintKeys?
  /// `WEBHOOK_ALLOW_PRIVATE`: whether receivers may be in clear, and on addresses that are not of the public internet.
  public var allowsPrivate = false
  /// `WEBHOOK_TIMEOUT`: how long a receiver may take to answer.
  public var timeout = Duration.zero
  /// `WEBHOOK_MAX_CALLS`: the most calls of receivers at a time.
  public var calls = 0
  /// `WEBHOOK_MAX_ENDPOINT_CALLS`: the most calls at a time to one endpoint.
  public var endpointCalls = 0
  /// `WEBHOOK_DISABLE_AFTER` in days.
  public var patienceDays = 0
  /// `WEBHOOK_RETENTION` in days.
  public var retentionDays = 0

  /// The values before any row of a table is read.
  public init() {}

  /// The group's rows.
  static func rows(_ users: [Program]) -> [Setting<WebhookSettings>] {
    [
      .parsed(
        "WEBHOOK_SECRET_KEYS", \.secretKeys, rule: "\(CardFingerprintKeys.rule); or nothing", isSecret: true,
        { text in text.isEmpty ? .some(nil) : (try? CardFingerprintKeys(text)).map { .some($0) } }, .value(""), users,
        "keys of which the secrets of webhook endpoints are made, the same for all gateways; empty: no webhooks"),
      .boolean(
        "WEBHOOK_ALLOW_PRIVATE", \.allowsPrivate, .value("false"), users,
        "allow webhooks in clear, and to addresses that are not of the public internet"),
      .duration(
        "WEBHOOK_TIMEOUT", \.timeout, .seconds(1)...(.seconds(60)), .value("15s"), users,
        "how long a webhook's receiver may take to answer"),
      .integer(
        "WEBHOOK_MAX_CALLS", \.calls, 1...4_096, .value("512"), users, "maximum webhook calls of a gateway at a time"),
      .integer(
        "WEBHOOK_MAX_ENDPOINT_CALLS", \.endpointCalls, 1...1_024, .value("64"), users,
        "maximum webhook calls to one endpoint at a time; after failures there are fewer"),
      .days(
        "WEBHOOK_DISABLE_AFTER", \.patienceDays, 1...365, .value("5d"), users,
        "how long an endpoint may take nothing until it is disabled"),
      .days(
        "WEBHOOK_RETENTION", \.retentionDays, 7...3_650, .value("30d"), users,
        "how long webhooks that were delivered or have failed are shown, and attempts with the answers to them"),
    ]
  }
}
