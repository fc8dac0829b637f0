/// Arithmetic that stops at the end of the type where the usual operators stop the process.
///
/// For numbers that come from outside (a row, a record, a header, a file, a command line): any value may come, so no
/// sum or product of one may trap.
extension FixedWidthInteger {
  /// The sum, or the type's nearest end.
  @inlinable
  public func adding(saturating other: Self) -> Self {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? (other < 0 ? .min : .max) : sum
  }

  /// The difference, or the type's nearest end.
  @inlinable
  public func subtracting(saturating other: Self) -> Self {
    let (difference, overflow) = subtractingReportingOverflow(other)
    return overflow ? (other < 0 ? .max : .min) : difference
  }

  /// The product, or the type's nearest end.
  @inlinable
  public func multiplied(saturating other: Self) -> Self {
    let (product, overflow) = multipliedReportingOverflow(by: other)
    return overflow ? ((self < 0) == (other < 0) ? .max : .min) : product
  }

  /// The number cut to an integer, or the type's nearest end; 0 for what is not a number.
  @inlinable
  public init(saturating number: Double) {
    // `Self.max` may round up to a number that the type does not have, hence no equality.
    if number.isNaN {
      self = 0
    } else if number >= Double(Self.max) {
      self = .max
    } else if number <= Double(Self.min) {
      self = .min
    } else {
      self = Self(number)
    }
  }
}
