public import Values

/// Which payments have changed, as NOTIFY carries it to the waiters of all gateways: 22 characters a payment, without
/// anything between them.
public enum PaymentNotice {
  /// PostgreSQL refuses a payload of 8,000 bytes.
  private static let maximumBytes = 7_999
  private static let width = 22
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  /// As few payloads as carry all the payments.
  public static func payloads(_ ids: [UniqueID]) -> [String] {
    let most = maximumBytes / width
    return stride(from: 0, to: ids.count, by: most).map { start in
      String(decoding: ids[start..<min(start + most, ids.count)].flatMap(letters), as: UTF8.self)
    }
  }

  /// The payments of a payload; nil when it is none.
  public static func ids(_ payload: String) -> [UniqueID]? {
    let bytes = Array(payload.utf8)
    guard !bytes.isEmpty, bytes.count % width == 0 else { return nil }
    var ids: [UniqueID] = []
    for start in stride(from: 0, to: bytes.count, by: width) {
      guard let id = id(bytes[start..<start + width]) else { return nil }
      ids.append(id)
    }
    return ids
  }

  /// 128 bits, six to a letter, the last letter with two: base64url (RFC 4648 section 5) of the id's bytes.
  private static func letters(_ id: UniqueID) -> [UInt8] {
    var letters: [UInt8] = []
    var (high, low) = (id.high, id.low)
    for index in 0..<width {
      letters.append(alphabet[Int(high >> 58)])
      if index == width - 1 { break }
      high = high << 6 | low >> 58
      low <<= 6
    }
    return letters
  }

  private static func id(_ letters: ArraySlice<UInt8>) -> UniqueID? {
    var (high, low): (UInt64, UInt64) = (0, 0)
    for (index, letter) in letters.enumerated() {
      guard let value = alphabet.firstIndex(of: letter) else { return nil }
      let isLast = index == width - 1
      if isLast, value & 0xF != 0 { return nil }
      let bits: UInt64 = isLast ? 2 : 6
      high = high << bits | low >> (64 - bits)
      low = low << bits | UInt64(isLast ? value >> 4 : value)
    }
    return UniqueID(high: high, low: low)
  }
}
