internal import Glibc

extension [UInt8] {
  /// Overwrites the bytes with zeros where they are, so that other arrays that share this memory hold zeros, too; the
  /// compiler does not leave it out.
  ///
  /// For secrets that came from outside and that nobody reads any more. Bytes that were moved before, as when an array
  /// grew, are not reached.
  public func zeroInPlace() {
    withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return }
      // Past the copy on write: a copy would leave what it was made of.
      explicit_bzero(UnsafeMutableRawPointer(mutating: start), bytes.count)
    }
  }
}
