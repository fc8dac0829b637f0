internal import CNghttp2
internal import Glibc

/// A list of header fields in one buffer: names in lower case, pseudo-headers first.
public struct HTTP2Headers: Sendable {
  struct Entry: Sendable {
    var start: Int
    var nameLength: Int
    var valueLength: Int
  }
  private(set) var bytes: [UInt8] = []
  private(set) var entries: [Entry] = []

  /// No fields.
  public init() {}

  /// - Parameter fields: names in lower case, pseudo-headers first.
  public init(_ fields: KeyValuePairs<String, String>) {
    for (name, value) in fields { append(name, value) }
  }

  /// How many fields there are.
  public var count: Int { entries.count }

  /// Adds a field.
  /// - Parameter name: in lower case; pseudo-headers come before all other fields.
  public mutating func append(_ name: String, _ value: String) {
    append(name: name.utf8, value: value.utf8)
  }

  /// Adds a field from bytes; the same rules hold.
  public mutating func append(name: some Collection<UInt8>, value: some Collection<UInt8>) {
    entries.append(Entry(start: bytes.count, nameLength: name.count, valueLength: value.count))
    bytes.append(contentsOf: name)
    bytes.append(contentsOf: value)
  }

  /// Empties the list and keeps its memory for the next one.
  public mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    entries.removeAll(keepingCapacity: true)
  }

  /// The name of a field, counted from 0.
  public func name(_ index: Int) -> ArraySlice<UInt8> {
    let entry = entries[index]
    return bytes[entry.start..<entry.start + entry.nameLength]
  }

  /// The value of a field, counted from 0.
  public func value(_ index: Int) -> ArraySlice<UInt8> {
    let entry = entries[index]
    let start = entry.start + entry.nameLength
    return bytes[start..<start + entry.valueLength]
  }

  /// Compares a field's name without making a string.
  public func nameEquals(_ index: Int, _ name: StaticString) -> Bool {
    let entry = entries[index]
    guard entry.nameLength == name.utf8CodeUnitCount else { return false }
    return bytes.withUnsafeBufferPointer { bytes in
      // The lengths are the same, and a field of the list is never at address zero.
      memcmp(bytes.baseAddress! + entry.start, name.utf8Start, name.utf8CodeUnitCount) == 0
    }
  }

  /// The first value under `name`, as text.
  public func first(_ name: StaticString) -> String? {
    for index in 0..<count where nameEquals(index, name) { return String(decoding: value(index), as: UTF8.self) }
    return nil
  }

  /// Calls `body` with the fields as nghttp2 takes them; nghttp2 copies them.
  func withNameValues<Result>(_ body: (UnsafePointer<nghttp2_nv>, Int) -> Result) -> Result {
    bytes.withUnsafeBufferPointer { bytes in
      withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: max(1, entries.count)) { list in
        // nghttp2 declares the fields mutable and never writes to them.
        let base = UnsafeMutablePointer(mutating: bytes.baseAddress)
        for (index, entry) in entries.enumerated() {
          list[index] = nghttp2_nv(
            name: base.map { $0 + entry.start }, value: base.map { $0 + entry.start + entry.nameLength },
            namelen: entry.nameLength, valuelen: entry.valueLength, flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue))
        }
        // The list is never empty where it is sent, so it has a base address.
        return body(UnsafePointer(list.baseAddress!), entries.count)
      }
    }
  }
}

/// Header fields that live as long as the program and are sent without being copied: make one for each fixed block.
public final class HTTP2FixedHeaders: @unchecked Sendable {
  // @unchecked: the memory is written in init only, and never freed.
  let list: UnsafePointer<nghttp2_nv>
  let count: Int

  /// - Parameter headers: at least one field. The memory is never given back.
  public init(_ headers: HTTP2Headers) {
    precondition(headers.count > 0, "a header block has at least one field")
    let bytes = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: headers.bytes.count)
    _ = bytes.initialize(from: headers.bytes)
    let fields = UnsafeMutableBufferPointer<nghttp2_nv>.allocate(capacity: headers.count)
    let flags = NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue
    for (index, entry) in headers.entries.enumerated() {
      let start = bytes.baseAddress! + entry.start  // not empty, see the precondition
      fields.initializeElement(
        at: index,
        to: nghttp2_nv(
          name: start, value: start + entry.nameLength, namelen: entry.nameLength, valuelen: entry.valueLength,
          flags: UInt8(flags)))
    }
    list = UnsafePointer(fields.baseAddress!)
    count = headers.count
  }
}

/// A header block to send.
public enum HTTP2HeaderBlock: Sendable {
  /// Sent without a copy.
  case fixed(HTTP2FixedHeaders)
  /// Copied by nghttp2.
  case list(HTTP2Headers)

  func withNameValues<Result>(_ body: (UnsafePointer<nghttp2_nv>, Int) -> Result) -> Result {
    switch self {
    case .fixed(let headers): body(headers.list, headers.count)
    case .list(let headers): headers.withNameValues(body)
    }
  }
}
