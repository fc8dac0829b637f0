internal import Values

/// One command's parameters in PostgreSQL's binary format, end to end in one buffer that the next command reuses.
struct ParameterBuffer {
  /// The values; the first byte is unused, so that an empty value has an address too (libpq takes no address for NULL).
  private(set) var bytes: [UInt8] = [0]
  /// Where each value begins in `bytes`; negative for NULL.
  private(set) var offsets: [Int] = []
  private(set) var lengths: [Int32] = []
  private(set) var types: [UInt32] = []

  mutating func encode(_ parameters: [Parameter]) {
    bytes.removeAll(keepingCapacity: bytes.count <= 1 << 20)
    bytes.append(0)
    offsets.removeAll(keepingCapacity: true)
    lengths.removeAll(keepingCapacity: true)
    types.removeAll(keepingCapacity: true)
    for parameter in parameters {
      types.append(parameter.type.rawValue)
      let start = bytes.count
      let isNull = !append(parameter)
      precondition(bytes.count - start <= 1 << 30, "a parameter is at most 1 GiB, PostgreSQL's own limit")
      offsets.append(isNull ? -1 : start)
      lengths.append(Int32(bytes.count - start))
    }
  }

  /// - Returns: false for NULL.
  private mutating func append(_ parameter: Parameter) -> Bool {
    switch parameter {
    case .null, .typedNull: return false
    case .bool(let value): bytes.append(value ? 1 : 0)
    case .int16(let value): append(value)
    case .int32(let value): append(value)
    case .int64(let value): append(value)
    case .double(let value): append(value.bitPattern)
    case .text(let value): bytes += value.utf8
    case .bytes(let value): bytes += value
    case .uuid(let value): append(value)
    case .timestamp(let value): append(value)
    case .interval(let value):
      append(value.inNanoseconds / 1_000)
      append(Int64(0))  // days and months, four bytes each
    default: appendArray(parameter)
    }
    return true
  }

  private mutating func appendArray(_ parameter: Parameter) {
    switch parameter {
    case .boolArray(let values):
      appendArray(values, of: .bool) { buffer, value in buffer.bytes.append(value ? 1 : 0) }
    case .int16Array(let values): appendArray(values, of: .int16) { buffer, value in buffer.append(value) }
    case .int32Array(let values): appendArray(values, of: .int32) { buffer, value in buffer.append(value) }
    case .int64Array(let values): appendArray(values, of: .int64) { buffer, value in buffer.append(value) }
    case .textArray(let values): appendArray(values, of: .text) { buffer, value in buffer.bytes += value.utf8 }
    case .bytesArray(let values): appendArray(values, of: .bytes) { buffer, value in buffer.bytes += value }
    case .uuidArray(let values): appendArray(values, of: .uuid) { buffer, value in buffer.append(value) }
    case .timestampArray(let values):
      appendArray(values, of: .timestamp) { buffer, value in buffer.append(value) }
    case .optionalInt64Array(let values):
      appendOptionalArray(values, of: .int64) { buffer, value in buffer.append(value) }
    case .optionalTextArray(let values):
      appendOptionalArray(values, of: .text) { buffer, value in buffer.bytes += value.utf8 }
    case .optionalBytesArray(let values):
      appendOptionalArray(values, of: .bytes) { buffer, value in buffer.bytes += value }
    case .optionalUUIDArray(let values):
      appendOptionalArray(values, of: .uuid) { buffer, value in buffer.append(value) }
    case .optionalTimestampArray(let values):
      appendOptionalArray(values, of: .timestamp) { buffer, value in buffer.append(value) }
    default: preconditionFailure("\(parameter.type) is not an array")
    }
  }

  private mutating func appendArray<Element>(
    _ values: [Element], of type: TypeID, _ append: (inout ParameterBuffer, Element) -> Void
  ) {
    appendArrayHeader(count: values.count, hasNulls: false, type)
    for value in values { appendElement(value, append) }
  }

  private mutating func appendOptionalArray<Element>(
    _ values: [Element?], of type: TypeID, _ append: (inout ParameterBuffer, Element) -> Void
  ) {
    appendArrayHeader(count: values.count, hasNulls: values.contains { $0 == nil }, type)
    for value in values {
      if let value { appendElement(value, append) } else { self.append(Int32(-1)) }
    }
  }

  /// `array_recv`: dimensions, whether there are NULLs, the element's type, then length and lower bound a dimension.
  private mutating func appendArrayHeader(count: Int, hasNulls: Bool, _ type: TypeID) {
    append(Int32(count == 0 ? 0 : 1))
    append(Int32(hasNulls ? 1 : 0))
    append(type.rawValue)
    guard count > 0 else { return }
    append(Int32(count))
    append(Int32(1))
  }

  private mutating func appendElement<Element>(
    _ value: Element, _ append: (inout ParameterBuffer, Element) -> Void
  ) {
    let start = bytes.count
    self.append(Int32(0))
    append(&self, value)
    let length = UInt32(bytes.count - start - 4)
    for position in 0..<4 { bytes[start + position] = UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * position)) }
  }

  private mutating func append(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
  }

  private mutating func append(_ value: UniqueID) {
    append(value.high)
    append(value.low)
  }

  private mutating func append(_ value: Timestamp) {
    // The ends of the range are PostgreSQL's infinities, as in `Row.timestamp`.
    let isEnd = value.microseconds == .max || value.microseconds == .min
    append(isEnd ? value.microseconds : value.microseconds.subtracting(saturating: BinaryFormat.epochMicroseconds))
  }
}

enum BinaryFormat {
  /// 2000-01-01T00:00:00Z, from which PostgreSQL counts, in microseconds since 1970.
  static let epochMicroseconds: Int64 = 946_684_800_000_000
}
