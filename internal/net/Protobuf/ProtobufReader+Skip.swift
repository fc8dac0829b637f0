extension ProtobufReader {
  /// Skips the value of a field that is unknown or of another wire type; a group with all that is in it.
  public mutating func skip(_ field: ProtobufField) throws(ProtobufError) {
    switch field.wireType {
    case .varint: _ = try readVarint()
    case .fixed64: try skip(count: 8)
    case .fixed32: try skip(count: 4)
    case .lengthDelimited: try skip(count: try readLength())
    case .startGroup: try skipGroup(field.number)
    case .endGroup: throw failure(.unbalancedGroup)
    }
  }

  private mutating func skip(count: Int) throws(ProtobufError) {
    guard end - offset >= count else { throw failure(.truncated) }
    offset += count
  }

  /// Skips to the end of the group `number`; recursion is bounded by the depth limit.
  private mutating func skipGroup(_ number: UInt32) throws(ProtobufError) {
    try enterLevel()
    while true {
      guard offset < end else { throw failure(.truncated) }
      let field = try readTag()
      if field.wireType == .endGroup {
        guard field.number == number else { throw failure(.unbalancedGroup) }
        depthLeft += 1
        return
      }
      try skip(field)
    }
  }
}
