/// A W3C trace context (`traceparent`, version 00) as it passes through: checked, never interpreted.
public struct TraceContext: Sendable, Hashable {
  /// The header's name, in gRPC metadata and on topics.
  public static let name = "traceparent"

  /// The 55-character header value.
  public let traceparent: String

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
    // The last digit's lowest bit: a digit's code is odd where the digit is, and a letter's even.
    let last = bytes[54]
    let isSampled = (last & 1 == 1) == (last <= UInt8(ascii: "9"))
    self.traceparent = "00" + String(decoding: bytes[2..<53], as: UTF8.self) + (isSampled ? "01" : "00")
  }
}
