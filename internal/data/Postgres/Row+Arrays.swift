public import Values

/// Reading of one-dimensional arrays in the format of `array_send`.
extension Row {
  private typealias Bytes = UnsafeRawBufferPointer

  /// A `boolean[]`.
  public func boolArray(_ column: some AnswerColumn) throws(DatabaseError) -> [Bool] {
    try elements(place(of: column), .boolArray) { (bytes: Bytes) throws(DatabaseError) in
      let byte: UInt8 = try bytes.bigEndian()
      return byte != 0
    }
  }

  /// A `smallint[]`.
  public func int16Array(_ column: some AnswerColumn) throws(DatabaseError) -> [Int16] {
    try integers(place(of: column), .int16Array)
  }

  /// An `integer[]`.
  public func int32Array(_ column: some AnswerColumn) throws(DatabaseError) -> [Int32] {
    try integers(place(of: column), .int32Array)
  }

  /// A `bigint[]`.
  public func int64Array(_ column: some AnswerColumn) throws(DatabaseError) -> [Int64] {
    try integers(place(of: column), .int64Array)
  }

  /// A `text[]`.
  public func textArray(_ column: some AnswerColumn) throws(DatabaseError) -> [String] {
    try elements(place(of: column), .textArray) { String(decoding: $0, as: UTF8.self) }
  }

  /// A `bytea[]`.
  public func bytesArray(_ column: some AnswerColumn) throws(DatabaseError) -> [[UInt8]] {
    try elements(place(of: column), .bytesArray) { Array($0) }
  }

  /// A `uuid[]`.
  public func uuidArray(_ column: some AnswerColumn) throws(DatabaseError) -> [UniqueID] {
    try elements(place(of: column), .uuidArray) { (bytes: Bytes) throws(DatabaseError) in
      UniqueID(high: try bytes.bigEndian(), low: try bytes.bigEndian(at: 8))
    }
  }

  /// A `timestamptz[]`.
  public func timestampArray(_ column: some AnswerColumn) throws(DatabaseError) -> [Timestamp] {
    try elements(place(of: column), .timestampArray) { (bytes: Bytes) throws(DatabaseError) in
      Timestamp(postgres: try bytes.bigEndian())
    }
  }

  /// A text array in which elements may be NULL.
  public func optionalTextArray(_ column: some AnswerColumn) throws(DatabaseError) -> [String?] {
    try optionalElements(place(of: column), .textArray) { String(decoding: $0, as: UTF8.self) }
  }

  private func integers<Integer: FixedWidthInteger>(_ column: Int, _ type: TypeID) throws(DatabaseError) -> [Integer] {
    try elements(column, type) { (bytes: Bytes) throws(DatabaseError) in try bytes.bigEndian() }
  }

  private func elements<Element>(
    _ column: Int, _ type: TypeID, _ decode: (Bytes) throws(DatabaseError) -> Element
  ) throws(DatabaseError) -> [Element] {
    let found = try optionalElements(column, type, decode)
    let elements = found.compactMap(\.self)
    guard elements.count == found.count else {
      throw DatabaseError(.content, "\(name(of: column)) holds an array with NULL in it")
    }
    return elements
  }

  private func optionalElements<Element>(
    _ column: Int, _ type: TypeID, _ decode: (Bytes) throws(DatabaseError) -> Element
  ) throws(DatabaseError) -> [Element?] {
    let bytes = try value(column, type)
    let dimensions: Int32 = try bytes.bigEndian()
    guard dimensions > 0 else { return [] }
    guard dimensions == 1 else {
      throw DatabaseError(.content, "\(name(of: column)) holds an array of \(dimensions) dimensions, expected one")
    }
    let count: Int32 = try bytes.bigEndian(at: 12)
    var offset = 20
    var elements: [Element?] = []
    elements.reserveCapacity(min(max(0, Int(count)), bytes.count / 4))
    for _ in 0..<max(0, count) {
      let length: Int32 = try bytes.bigEndian(at: offset)
      offset += 4
      guard length >= 0 else {
        elements.append(nil)
        continue
      }
      let end = offset + Int(length)
      guard end <= bytes.count else { throw DatabaseError(.protocolViolation, "an array is shorter than its elements") }
      elements.append(try decode(Bytes(rebasing: bytes[offset..<end])))
      offset = end
    }
    return elements
  }
}
