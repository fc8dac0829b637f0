/// The number of the advisory lock under which the schema is changed: the one that golang-migrate takes for the same
/// database, schema and table, so that the two tools keep out of each other's way.
enum AdvisoryLock {
  /// CRC-32 of schema, table and database joined by NUL, times golang-migrate's salt, in 32 bits.
  static func key(database: String, schema: String, table: String) -> Int64 {
    let name = Array("\(schema)\u{0}\(table)\u{0}\(database)".utf8)
    return Int64(crc32(name) &* 1_486_364_155)
  }

  /// CRC-32 as in ISO 3309 (polynomial 0xEDB88320, reflected).
  static func crc32(_ bytes: [UInt8]) -> UInt32 {
    var crc: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
    return ~crc
  }
}
