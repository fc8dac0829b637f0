/// A W3C trace context (`traceparent`, level 1) as it passes through: checked, never interpreted.
public struct TraceContext: Sendable, Hashable {
  /// The header's name, in gRPC metadata and on topics.
  public static let name = "traceparent"

  /// The 55-character header value.
  public let traceparent: String

  /// Takes a header value; nil when it is not `00-<32 hex>-<16 hex>-<2 hex>` in lower case with non-zero ids.
  public init?(traceparent: String) {
    let fields = traceparent.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    let isHex: (Substring.UTF8View) -> Bool = { field in
      field.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
    guard fields.count == 4, fields.map(\.count) == [2, 32, 16, 2], fields.allSatisfy(isHex),
      fields[0].elementsEqual("00".utf8), fields[1].contains(where: { $0 != 0x30 }),
      fields[2].contains(where: { $0 != 0x30 })
    else { return nil }
    self.traceparent = traceparent
  }
}
