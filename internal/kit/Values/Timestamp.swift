internal import Glibc

/// A moment in UTC with microsecond resolution, as PostgreSQL's `timestamptz` has it.
public struct Timestamp: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// Microseconds since 1970-01-01T00:00:00Z; negative before it.
  public var microseconds: Int64

  /// - Parameter microseconds: since 1970-01-01T00:00:00Z.
  @inlinable
  public init(microseconds: Int64) { self.microseconds = microseconds }

  /// The wall clock's present moment. Callable on any thread.
  public static func now() -> Timestamp {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000)
  }

  @inlinable
  public static func < (left: Timestamp, right: Timestamp) -> Bool { left.microseconds < right.microseconds }

  /// Seconds from `earlier` to this moment; 0 where `earlier` is later, as when two clocks disagree.
  public func seconds(since earlier: Timestamp) -> Double {
    Double(max(0, microseconds.subtracting(saturating: earlier.microseconds))) / 1e6
  }

  /// Saturates.
  @inlinable
  public static func + (left: Timestamp, right: Duration) -> Timestamp {
    Timestamp(microseconds: left.microseconds.adding(saturating: right.inNanoseconds / 1_000))
  }

  /// The moment itself, or the first or last one of the years 1 to 9999, which RFC 3339 and protobuf can say.
  public var clamped: Timestamp { Timestamp(microseconds: min(max(microseconds, Self.first), Self.last)) }

  /// RFC 3339 in UTC with six decimals: `2026-01-31T08:15:00.000250Z`. A moment outside the years 1 to 9999, which that
  /// form does not have, is shown as the first or last it has.
  public var description: String {
    String(decoding: utf8Bytes, as: UTF8.self)
  }

  /// The bytes of `description`, made without Foundation.
  public var utf8Bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.textLength)
    append(to: &bytes)
    return bytes
  }

  /// Appends `description` to `bytes`.
  public func append(to bytes: inout [UInt8]) {
    let (days, micros) = Self.floorDivide(clamped.microseconds, 86_400_000_000)
    let (year, month, day) = Self.civil(fromDays: days)
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.textLength) { text in
      var place = 0
      func write(_ value: Int64, width: Int, _ after: Unicode.Scalar) {
        var rest = value
        for digit in stride(from: place + width - 1, through: place, by: -1) {
          text[digit] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
          rest /= 10
        }
        text[place + width] = UInt8(ascii: after)
        place += width + 1
      }
      write(year, width: 4, "-")
      write(month, width: 2, "-")
      write(day, width: 2, "T")
      write(micros / 3_600_000_000, width: 2, ":")
      write(micros / 60_000_000 % 60, width: 2, ":")
      write(micros / 1_000_000 % 60, width: 2, ".")
      write(micros % 1_000_000, width: 6, "Z")
      bytes.append(contentsOf: text)
    }
  }

  private static let textLength = 27

  /// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z.
  private static let first: Int64 = -62_135_596_800_000_000
  private static let last: Int64 = 253_402_300_799_999_999

  private static func floorDivide(_ value: Int64, _ by: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: by)
    return remainder < 0 ? (quotient - 1, remainder + by) : (quotient, remainder)
  }

  /// Proleptic Gregorian date of a day number since 1970-01-01, by counting in 400-year eras.
  private static func civil(fromDays days: Int64) -> (Int64, Int64, Int64) {
    let shifted = days + 719_468  // days since 0000-03-01
    let (era, dayOfEra) = floorDivide(shifted, 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
  }

  /// The inverse of `civil`, for any numbers of few digits.
  static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
    let marchYear = month <= 2 ? year - 1 : year
    let (era, yearOfEra) = floorDivide(marchYear, 400)
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }
}
