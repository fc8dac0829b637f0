/// A W3C trace context (`traceparent`, version 00): a span of somebody's, under which further spans may be put.
public struct TraceContext: Sendable, Hashable {
  /// The header's name, in gRPC metadata and on topics.
  public static let name = "traceparent"

  /// The 55-character header value.
  public let traceparent: String
  /// What tells it to the receiver of a request.
  public var header: (name: String, value: String) { (Self.name, traceparent) }

  /// The trace's id as logs have it: 32 hexadecimal digits.
  public var traceIDText: String { String(traceparent.dropFirst(3).prefix(32)) }

  /// Takes what a carrier (the metadata of a call, the headers of a record) holds under `name`; nil when that is none,
  /// or several: which of them counts would depend on the reader.
  public init?(onlyOf values: some Collection<[UInt8]>) {
    guard values.count == 1, let value = values.first else { return nil }
    self.init(traceparent: String(decoding: value, as: UTF8.self))
  }

  /// Takes a header value; nil when it is not `00-<32 hex>-<16 hex>-<2 hex>` in lower case with non-zero ids.
  ///
  /// Of a later version the part that version 00 has is taken, as W3C Trace Context asks ("Versioning of traceparent"):
  /// it goes on as version 00, with the one flag that this version knows. Version ff is forbidden.
  public init?(traceparent: String) {
    let bytes = Array(traceparent.utf8)
    let isLater = bytes.starts(with: "00".utf8) == false
    guard bytes.count == 55 || (isLater && bytes.count > 55 && bytes[55] == UInt8(ascii: "-")) else { return nil }
    let fields = bytes[..<55].split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    let isHex: (ArraySlice<UInt8>) -> Bool = { field in
      field.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
    guard fields.count == 4, fields.map(\.count) == [2, 32, 16, 2], fields.allSatisfy(isHex),
      !fields[0].elementsEqual("ff".utf8), fields[1].contains(where: { $0 != 0x30 }),
      fields[2].contains(where: { $0 != 0x30 })
    else { return nil }
    guard isLater else {
      self.traceparent = traceparent
      return
    }
    let flags = Self.isOdd(bytes[54]) ? "01" : "00"
    self.traceparent = "00" + String(decoding: bytes[2..<53], as: UTF8.self) + flags
  }

  /// The context of a span of ours that is recorded.
  /// - Parameters: the ids, neither zero.
  package init(trace: TraceID, span: UInt64) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(55)
    bytes += "00-".utf8
    bytes.appendHex(trace.high)
    bytes.appendHex(trace.low)
    bytes.append(UInt8(ascii: "-"))
    bytes.appendHex(span)
    bytes += "-01".utf8
    traceparent = String(decoding: bytes, as: UTF8.self)
  }

  /// Whether the span is recorded: whoever continues a trace decides likewise.
  public var isSampled: Bool {
    traceparent.utf8.last.map(Self.isOdd) ?? false
  }

  /// Whether a hexadecimal digit in lower case is odd. A digit's code is odd where the digit is, and a letter's even.
  private static func isOdd(_ digit: UInt8) -> Bool { (digit & 1 == 1) == (digit <= UInt8(ascii: "9")) }

  /// The trace's id.
  package var traceID: TraceID {
    TraceID(high: number(from: 3), low: number(from: 19))
  }

  /// The span's id.
  package var spanID: UInt64 { number(from: 36) }

  /// 16 hexadecimal digits in lower case, which `init` has looked at.
  private func number(from start: Int) -> UInt64 {
    traceparent.utf8.dropFirst(start).prefix(16).reduce(0) { number, digit in
      number << 4 | UInt64(digit <= UInt8(ascii: "9") ? digit &- 0x30 : digit &- 0x57)
    }
  }
}

/// The id of a trace: 16 bytes, not all zero.
package struct TraceID: Sendable, Hashable {
  /// The first eight bytes.
  package let high: UInt64
  /// The last eight bytes.
  package let low: UInt64

  /// - Parameters: the two halves, in the order in which they are written.
  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }
}

extension [UInt8] {
  fileprivate mutating func appendHex(_ number: UInt64) {
    for shift in stride(from: UInt64(60), through: 0, by: -4) {
      let digit = UInt8(truncatingIfNeeded: number >> shift & 15)
      append(digit < 10 ? 0x30 + digit : 0x57 + digit)
    }
  }
}
