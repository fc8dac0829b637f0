public import Values

/// The name by which some systems know a user, and the id that the user has here: always the same for the same name.
public struct UserName: Sendable, Hashable {
  /// How long a name may be, in UTF-16 units, as Java counts.
  public static let lengths = 3...32

  /// The name as it was given.
  public let text: String

  /// - Returns: nil for a name that is too short or too long, or has a control character.
  public init?(_ text: String) {
    guard Self.lengths.contains(text.utf16.count), !Self.hasControlCharacter(text) else { return nil }
    self.text = text
  }

  /// Whether there is a control character (C0, DEL, C1).
  public static func hasControlCharacter(_ text: String) -> Bool {
    text.unicodeScalars.contains { $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) }
  }

  /// The user's id.
  public var userID: UniqueID { NamedUser.id(named: text) }

  /// By the bytes: names that look alike are different users.
  public static func == (left: UserName, right: UserName) -> Bool { left.text.utf8.elementsEqual(right.text.utf8) }

  public func hash(into hasher: inout Hasher) { for byte in text.utf8 { hasher.combine(byte) } }
}
