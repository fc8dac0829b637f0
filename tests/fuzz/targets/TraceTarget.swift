import Tracing

/// The values under `traceparent` that a call or a record carries, one a line: the only one goes on as version 00 when
/// it is one by the words of W3C Trace Context, and nothing else does.
enum TraceTarget {
  static func run(_ input: [UInt8]) throws(FuzzFinding) {
    let values = input.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).prefix(8).map(Array.init)
    for value in values {
      let taken = TraceContext(onlyOf: [value])
      let expected = expected(of: value)
      try require(taken?.traceparent == expected, "read as \(taken?.traceparent ?? "none"), not \(expected ?? "none")")
      if let taken {
        let again = TraceContext(traceparent: taken.traceparent)
        try require(again == taken, "\(taken.traceparent) goes on as \(again?.traceparent ?? "none")")
      }
    }
    let isOne = values.count == 1 && expected(of: values[0]) != nil
    try require((TraceContext(onlyOf: values) != nil) == isOne, "of \(values.count) values one is taken")
  }

  /// Place by place, as the section "traceparent Header Field Values" writes it.
  private static func expected(of value: [UInt8]) -> String? {
    guard value.count >= 55 else { return nil }
    for (place, byte) in value.prefix(55).enumerated() {
      let isDash = [2, 35, 52].contains(place)
      guard isDash ? byte == UInt8(ascii: "-") : digits.contains(byte) else { return nil }
    }
    let version = value[..<2]
    if version.elementsEqual("ff".utf8) || value[3..<35].allSatisfy({ $0 == zero })
      || value[36..<52].allSatisfy({ $0 == zero })
    {
      return nil
    }
    if version.elementsEqual("00".utf8) { return value.count == 55 ? text(value[...]) : nil }
    guard value.count == 55 || value[55] == UInt8(ascii: "-") else { return nil }
    // The place of a digit among sixteen is its value.
    let flags = digits.firstIndex(of: value[54]) ?? 0
    return "00" + text(value[2..<53]) + (flags % 2 == 1 ? "01" : "00")
  }

  private static let digits = Array("0123456789abcdef".utf8)
  private static let zero = UInt8(ascii: "0")

  private static func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }
}
