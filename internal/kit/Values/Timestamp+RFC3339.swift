extension Timestamp {
  /// Reads a time of RFC 3339: `2026-01-31T08:15:00Z`, `2026-01-31T08:15:00.25+01:00`. At most nine decimals are taken;
  /// those below a microsecond are cut off. A leap second, a day that no calendar has, and a time outside the years 1
  /// to 9999 give nil.
  public init?(_ text: String) {
    var bytes = Array(text.utf8)[...]
    guard (20...35).contains(bytes.count), let seconds = Self.seconds(&bytes), let micros = Self.fraction(&bytes),
      let offset = Self.offset(bytes)
    else { return nil }
    self.init(microseconds: seconds * 1_000_000 + micros - offset)
    guard clamped == self else { return nil }
  }

  /// Passes a date and the time of a day, of 19 bytes.
  private static func seconds(_ bytes: inout ArraySlice<UInt8>) -> Int64? {
    let start = Array(bytes.prefix(19))
    bytes = bytes.dropFirst(19)
    let number = { (range: Range<Int>) in start[range].reduce(Int64(0)) { $0 * 10 + Int64($1) - 0x30 } }
    let days = days(year: number(0..<4), month: number(5..<7), day: number(8..<10))
    let seconds = days * 86_400 + (number(11..<13) * 60 + number(14..<16)) * 60 + number(17..<19)
    // A wrong digit, separator or day of the calendar is written differently.
    let written = Timestamp(microseconds: seconds * 1_000_000).utf8Bytes.prefix(19)
    let isSame = zip(written, start).allSatisfy { $0 == $1 || $0 == UInt8(ascii: "T") && $1 == UInt8(ascii: "t") }
    return isSame ? seconds : nil
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
