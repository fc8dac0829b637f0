public import Money
public import Settings

/// Debits of users' balances that are commanded by message: a group of settings.
public struct DebitOptions: Sendable {
  /// `DEBIT_TOPIC`: where debits are read from; empty for none.
  public var topic = ""
  /// `DEBIT_RESULT_TOPIC`: what became of them.
  public var results = ""
  /// `DEBIT_GROUP`: the consumer group.
  public var group = ""
  /// `DEBIT_AMOUNT`: what the amounts count.
  public var unit = AmountUnit.major

  /// The values before any row of a table is read.
  public init() {}

  /// Whether debits are read.
  public var isOn: Bool { !topic.isEmpty }

  /// The group's rows.
  public static func rows(_ users: [Program]) -> [Setting<DebitOptions>] {
    [
      .text(
        "DEBIT_TOPIC", \.topic, rule: "1 to 245 letters, digits, dots, underscores and hyphens, or nothing", isTopic,
        .value(""), users,
        "topic of debits of users' balances (docs/debits.md), whose writers move money; empty: none are read;"
          + " unreadable messages go to the topic with `.dlq` appended"),
      .name(
        "DEBIT_RESULT_TOPIC", \.results, longest: 249, extra: "._-", .value("debits-results"), users,
        "topic of what becomes of debits"),
      .name(
        "DEBIT_GROUP", \.group, longest: 249, extra: "._-", .value("direct-debits"), users,
        "consumer group on the topic of debits"),
      .choice(
        "DEBIT_AMOUNT", \.unit, ["major": .major, "minor": .minor], .value("major"), users,
        "what the amount of a debit counts: units such as euros, or the smallest such as cents"),
    ]
  }

  private static func isTopic(_ text: String) -> Bool {
    text.utf8.count <= 245
      && text.utf8.allSatisfy { byte in
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || (0x30...0x39).contains(byte)
          || [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")].contains(byte)
      }
  }
}
