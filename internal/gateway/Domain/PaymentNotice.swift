public import Values

/// A payment or refund that has changed.
public struct PaymentChange: Sendable, Hashable {
  /// The payment, or the refund.
  public let id: UniqueID
  /// Who pays; nil for a refund.
  public let userID: UniqueID?

  /// A change.
  public init(_ id: UniqueID, of userID: UniqueID?) {
    self.id = id
    self.userID = userID
  }
}

/// Which payments have changed, as NOTIFY carries it to the waiters of all gateways: a plus sign, then 44 letters a
/// payment, without anything between them: its id and its user's, which is all zeros where there is none.
public enum PaymentNotice {
  /// PostgreSQL refuses a payload of 8,000 bytes.
  private static let maximumBytes = 7_999
  private static let width = 2 * UniqueID.letterCount
  /// Notices of a version that wrote ids alone do not begin so.
  private static let mark = UInt8(ascii: "+")
  private static let nobody = UniqueID(high: 0, low: 0)

  /// As few payloads as carry all the changes.
  public static func payloads(_ changes: [PaymentChange]) -> [String] {
    let most = (maximumBytes - 1) / width
    return stride(from: 0, to: changes.count, by: most).map { start in
      var bytes = [mark]
      for change in changes[start..<min(start + most, changes.count)] {
        change.id.appendLetters(to: &bytes)
        (change.userID ?? nobody).appendLetters(to: &bytes)
      }
      return String(decoding: bytes, as: UTF8.self)
    }
  }

  /// The changes of a payload; nil when it is none.
  public static func changes(_ payload: String) -> [PaymentChange]? {
    let bytes = Array(payload.utf8)
    guard bytes.first == mark, bytes.count > 1, (bytes.count - 1) % width == 0 else { return nil }
    var changes: [PaymentChange] = []
    for start in stride(from: 1, to: bytes.count, by: width) {
      let middle = start + UniqueID.letterCount
      guard let id = UniqueID(letters: bytes[start..<middle]),
        let user = UniqueID(letters: bytes[middle..<start + width])
      else { return nil }
      changes.append(PaymentChange(id, of: user == nobody ? nil : user))
    }
    return changes
  }
}
