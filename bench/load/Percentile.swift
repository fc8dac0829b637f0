extension Array where Element: BinaryInteger {
  /// The value that this share of the values does not pass. The array is sorted and not empty.
  /// - Parameter share: from 0 to 1.
  func percentile(_ share: Double) -> Element { self[Swift.min(count - 1, Int(Double(count) * share))] }
}
