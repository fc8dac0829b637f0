extension Timestamp {
  /// Reads a time of RFC 3339: `2026-01-31T08:15:00Z`, `2026-01-31T08:15:00.25+01:00`. At most nine decimals are taken;
  /// those below a microsecond are cut off. A leap second, a day that no calendar has, and a time outside the years 1
  /// to 9999 give nil.
  public init?(rfc3339 text: String) {
    var bytes = Array(text.utf8)[...]
    guard (20...35).contains(bytes.count) else { return nil }
    let start = Array(bytes.prefix(19)).map { $0 == 0x74 ? UInt8(ascii: "T") : $0 }
    bytes = bytes.dropFirst(19)
    guard let micros = Self.fraction(&bytes), let offset = Self.offset(bytes),
      // What is left has one spelling.
      let moment = Timestamp(String(decoding: start, as: UTF8.self) + ".000000Z")
    else { return nil }
    self = Timestamp(microseconds: moment.microseconds + micros - offset)
    guard clamped == self else { return nil }
  }

  /// Passes a fraction; zero where there is none.
  private static func fraction(_ bytes: inout ArraySlice<UInt8>) -> Int64? {
    guard bytes.first == UInt8(ascii: ".") else { return 0 }
    let digits = bytes.dropFirst().prefix { (0x30...0x39).contains($0) }
    guard (1...9).contains(digits.count) else { return nil }
    bytes = bytes.dropFirst(1 + digits.count)
    var micros: Int64 = 0
    for place in 0..<6 {
      micros = micros * 10 + (place < digits.count ? Int64(digits[digits.startIndex + place]) - 0x30 : 0)
    }
    return micros
  }

  /// The microseconds by which the local time is ahead of UTC.
  private static func offset(_ bytes: ArraySlice<UInt8>) -> Int64? {
    let bytes = Array(bytes)
    if bytes == [UInt8(ascii: "Z")] || bytes == [UInt8(ascii: "z")] { return 0 }
    guard bytes.count == 6, bytes[0] == UInt8(ascii: "+") || bytes[0] == UInt8(ascii: "-"),
      bytes[3] == UInt8(ascii: ":"), [1, 2, 4, 5].allSatisfy({ (0x30...0x39).contains(bytes[$0]) })
    else { return nil }
    let number = { (place: Int) in Int64(bytes[place] - 0x30) * 10 + Int64(bytes[place + 1] - 0x30) }
    let (hours, minutes) = (number(1), number(4))
    guard hours < 24, minutes < 60 else { return nil }
    return (hours * 60 + minutes) * (bytes[0] == UInt8(ascii: "-") ? -60_000_000 : 60_000_000)
  }
}
