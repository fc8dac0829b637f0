internal import Values

/// The small texts of PROTOCOL-HTTP2.md: `grpc-timeout` and `grpc-message`.
package enum WireText {
  /// Reads `grpc-timeout`: one to eight digits and one of H M S m u n. Nil when malformed; too long is clamped.
  static func timeout(_ text: some Collection<UInt8>) -> Duration? {
    guard (2...9).contains(text.count), let unit = text.reversed().first else { return nil }
    var value: Int64 = 0
    for digit in text.dropLast() {
      guard (0x30...0x39).contains(digit) else { return nil }
      value = value * 10 + Int64(digit - 0x30)
    }
    // Eight digits of hours fit a Duration; `Instant + Duration` clamps what does not fit the clock.
    switch unit {
    case UInt8(ascii: "H"): return .seconds(value * 3_600)
    case UInt8(ascii: "M"): return .seconds(value * 60)
    case UInt8(ascii: "S"): return .seconds(value)
    case UInt8(ascii: "m"): return .milliseconds(value)
    case UInt8(ascii: "u"): return .microseconds(value)
    case UInt8(ascii: "n"): return .nanoseconds(value)
    default: return nil
    }
  }

  /// Writes `grpc-timeout` in the finest unit that fits eight digits, rounded up.
  static func timeout(_ duration: Duration) -> String {
    var value = max(0, duration.inNanoseconds)
    for (unit, next) in [("n", Int64(1_000)), ("u", 1_000), ("m", 1_000), ("S", 60), ("M", 60)] {
      if value <= 99_999_999 { return "\(value)\(unit)" }
      value = value / next + (value % next > 0 ? 1 : 0)
    }
    return "\(min(value, 99_999_999))H"
  }

  /// Percent-encodes UTF-8 for `grpc-message`: all but 0x20–0x7E, and `%` itself; upper-case hex.
  package static func percentEncode(_ text: String) -> [UInt8] {
    var bytes: [UInt8] = []
    for byte in text.utf8 {
      if (0x20...0x7E).contains(byte), byte != UInt8(ascii: "%") {
        bytes.append(byte)
      } else {
        bytes.append(UInt8(ascii: "%"))
        bytes.append(hex(byte >> 4))
        bytes.append(hex(byte & 15))
      }
    }
    return bytes
  }

  /// Decodes `grpc-message`; what is not a valid escape stays as it is, as the protocol asks.
  package static func percentDecode(_ text: some Collection<UInt8>) -> String {
    let bytes = Array(text)
    var plain: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count, let high = Hexadecimal.value(of: bytes[index + 1]),
        let low = Hexadecimal.value(of: bytes[index + 2])
      {
        plain.append(high << 4 | low)
        index += 3
      } else {
        plain.append(bytes[index])
        index += 1
      }
    }
    return String(decoding: plain, as: UTF8.self)
  }

  private static func hex(_ nibble: UInt8) -> UInt8 {
    nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "A") - 10 + nibble
  }
}
