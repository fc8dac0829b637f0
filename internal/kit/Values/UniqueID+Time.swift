extension UniqueID {
  /// A UUID of version 7 (RFC 9562 section 5.7): the milliseconds of `moment` and 74 random bits, so that ids made
  /// later sort later, from one millisecond to the next.
  /// - Parameter moment: from 1970 to the year 10889; others become the first or last of these.
  public static func ordered(at moment: Timestamp, using generator: inout some RandomNumberGenerator) -> UniqueID {
    let start = lowest(at: moment)
    return UniqueID(
      high: start.high | 0x7000 | generator.next() & 0xFFF,
      low: generator.next() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000)
  }

  /// A UUID of version 7 from the system's generator. Callable on any thread.
  public static func ordered(at moment: Timestamp) -> UniqueID {
    var generator = RandomSource()
    return ordered(at: moment, using: &generator)
  }

  /// Lower than every UUID of version 7 of the millisecond of `moment`, and higher than those before it.
  public static func lowest(at moment: Timestamp) -> UniqueID {
    let milliseconds = min(max(moment.microseconds / 1_000, 0), 1 << 48 - 1)
    return UniqueID(high: UInt64(milliseconds) << 16, low: 0)
  }

  /// The moment that a UUID of version 7 tells, in whole milliseconds; something from 1970 on for any other UUID.
  public var moment: Timestamp { Timestamp(microseconds: Int64(high >> 16) * 1_000) }
}
