/// The rule for a status of an inventory message: the same for `CONSUMER_TRIGGER_STATUS`, for those who read messages
/// and write them, and in api/topics/inventory.schema.json.
public enum InventoryStatus {
  /// In Unicode scalars, as JSON Schema counts.
  public static let longest = 64
  /// The rule in words.
  public static let rule = "1 to \(longest) characters, none of them a control character"

  /// Whether a producer may use this status.
  public static func isValid(_ status: String) -> Bool {
    let scalars = status.unicodeScalars
    return (1...longest).contains(scalars.count)
      && scalars.allSatisfy { !(0..<0x20).contains($0.value) && !(0x7F..<0xA0).contains($0.value) }
  }
}
