internal import RiskDomain

/// The numbers of the advisory locks under which keys are counted.
///
/// They are of the kind with two numbers, which never meet the locks with one that the rest of the project takes. Two
/// keys with one number wait for each other, and no harm is done.
enum RiskLocks {
  /// The first number: the schema's, so that two of them in one database do not meet.
  static func space(of table: String) -> Int32 { number(of: table.utf8) }

  /// The second numbers, each once, in any order.
  static func numbers(of keys: some Sequence<RiskKey>) -> [Int32] {
    Array(Set(keys.map { number(of: Array($0.subject.rawValue.utf8) + $0.bytes) }))
  }

  /// FNV-1a of 32 bits.
  private static func number(of bytes: some Sequence<UInt8>) -> Int32 {
    Int32(bitPattern: bytes.reduce(2_166_136_261 as UInt32) { ($0 ^ UInt32($1)) &* 16_777_619 })
  }
}
