public import Values

/// Reading of one-dimensional arrays in the format of `array_send`.
extension Row {
  public func boolArray(_ column: Int) -> [Bool] { elements(column, .boolArray) { $0[0] != 0 } }
  public func int16Array(_ column: Int) -> [Int16] { elements(column, .int16Array) { $0.bigEndian() } }
  public func int32Array(_ column: Int) -> [Int32] { elements(column, .int32Array) { $0.bigEndian() } }
  public func int64Array(_ column: Int) -> [Int64] { elements(column, .int64Array) { $0.bigEndian() } }
  public func textArray(_ column: Int) -> [String] {
    elements(column, .textArray) { String(decoding: $0, as: UTF8.self) }
  }
  public func bytesArray(_ column: Int) -> [[UInt8]] { elements(column, .bytesArray) { Array($0) } }
  public func uuidArray(_ column: Int) -> [UniqueID] {
    elements(column, .uuidArray) { UniqueID(high: $0.bigEndian(), low: $0.bigEndian(at: 8)) }
  }
  public func timestampArray(_ column: Int) -> [Timestamp] {
    elements(column, .timestampArray) { Timestamp(postgres: $0.bigEndian()) }
  }
  /// A text array in which elements may be NULL.
  public func optionalTextArray(_ column: Int) -> [String?] {
    optionalElements(column, .textArray) { String(decoding: $0, as: UTF8.self) }
  }

  private func elements<Element>(
    _ column: Int, _ type: TypeID, _ decode: (UnsafeRawBufferPointer) -> Element
  ) -> [Element] {
    optionalElements(column, type, decode).map { element in
      guard let element else { preconditionFailure("column \(column) holds an array with NULLs") }
      return element
    }
  }

  private func optionalElements<Element>(
    _ column: Int, _ type: TypeID, _ decode: (UnsafeRawBufferPointer) -> Element
  ) -> [Element?] {
    let bytes = value(column, type)
    let dimensions: Int32 = bytes.bigEndian()
    guard dimensions > 0 else { return [] }
    precondition(dimensions == 1, "column \(column) holds an array of \(dimensions) dimensions; only one is read")
    let count: Int32 = bytes.bigEndian(at: 12)
    var offset = 20
    var elements: [Element?] = []
    elements.reserveCapacity(Int(count))
    for _ in 0..<count {
      let length: Int32 = bytes.bigEndian(at: offset)
      offset += 4
      guard length >= 0 else {
        elements.append(nil)
        continue
      }
      elements.append(decode(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + Int(length)])))
      offset += Int(length)
    }
    return elements
  }
}
