public import ProcessingDomain
public import Settings
internal import Values

/// How a `PaymentProcessor` works: a group of settings, for every program that has one. Set them alike.
public struct ProcessorOptions: Sendable {
  /// `BANK_TIMEOUT`, `BANK_HORIZON`, `BANK_REVERSAL`, `RISK_REVIEW_TIMEOUT`, `CARD_WAIT` and `RISK_CARD_REVIEW`.
  public var rules = PaymentRules()
  /// `BANK_URL`: where the bank's paths begin, without a slash at the end.
  public var bankURL = ""
  /// `BANK_CA`: whose certificates are trusted; empty for the system's.
  public var bankAuthorities = ""
  /// `BANK_MAX_CALLS`: the most calls to the bank at a time.
  public var bankCalls = 0
  /// How risk is decided.
  public var risk = RiskOptions()
  /// `PROCESSING_LEASE`: how long a process that says nothing counts as alive.
  public var lease = Duration.zero
  /// `PROCESSING_POOL_SIZE`: connections for steps.
  public var poolSize = 0
  /// `CARD_QUEUE`: the most cards that wait in memory.
  public var cardQueue = 0

  /// The values before any row of a table is read.
  public init() {}

  /// The group's rows.
  public static func rows(_ users: [Program]) -> [Setting<ProcessorOptions>] {
    [
      .text(
        "BANK_URL", \.bankURL, rule: "`http://` or `https://` with host, port and path, without a slash at the end",
        isBankURL, .byProgram([:]), users,
        "where the bank's paths begin, such as `https://bank.example/api`"),
      .file("BANK_CA", \.bankAuthorities, users, "certificate authorities of the bank; empty: those of this machine"),
      .integer(
        "BANK_MAX_CALLS", \.bankCalls, 1...65_536, .value("4096"), users,
        "maximum calls to the bank at a time; payments wait beyond it"),
      .duration(
        "BANK_TIMEOUT", \.rules.bankTimeout, .seconds(1)...(.seconds(600)), .value("30s"), users,
        "how long the bank may take to answer; without an answer by then a payment is UNKNOWN"),
      .duration(
        "BANK_HORIZON", \.rules.bankHorizon, .zero...(.seconds(30 * 86_400)), .value("10m"), users,
        "how long after a request the bank may still not show its payment to a question"),
      .boolean(
        "BANK_REVERSAL", \.rules.hasReversals, .value("true"), users,
        "whether the bank has reversals; without them a payment that it does not know stays UNKNOWN until a statement"),
      .duration(
        "CARD_WAIT", \.rules.cardWait, .seconds(1)...(.seconds(3_600)), .value("2m"), users,
        "how long a card waits in memory for the bank before it ends as ERROR `bank_unavailable`"),
      .integer(
        "CARD_QUEUE", \.cardQueue, 1...1_000_000, .value("10000"), users,
        "maximum cards in memory; further card payments are refused"),
      .duration(
        "RISK_REVIEW_TIMEOUT", \.rules.reviewTimeout, .seconds(1)...(.seconds(90 * 86_400)), .value("24h"), users,
        "how long a payment waits for a person's review before it is REJECTED"),
      .choice(
        "RISK_CARD_REVIEW", \.rules.rejectsCardReviews, ["reject": true, "allow": false], .value("reject"), users,
        "what becomes of a card that should be reviewed, since its number cannot wait for a person"),
      .duration(
        "PROCESSING_LEASE", \.lease, .seconds(1)...(.seconds(600)), .value("15s"), users,
        "duration of a process's lease; after a crash another one takes its payments over once it has ended"),
      .integer(
        "PROCESSING_POOL_SIZE", \.poolSize, 2...256, .value("4"), users,
        "number of connections for the steps of payments"),
    ] + RiskOptions.rows(users).within(\.risk)
  }

  /// Credentials do not belong into it: it is shown in messages.
  private static func isBankURL(_ text: String) -> Bool {
    guard let scheme = ["http://", "https://"].first(where: text.hasPrefix) else { return false }
    let rest = text.dropFirst(scheme.count)
    let isPlain = rest.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    return isPlain && !rest.isEmpty && !rest.hasPrefix("/") && !rest.hasSuffix("/")
      && !rest.contains { "@?#".contains($0) }
  }

  /// Derives values from others, and reads the file of rules. Every set with this group calls it in its own `finish`.
  public mutating func finish() throws(SettingsError) { try risk.finish() }
}
