internal import CHiredis

/// One answer of the server.
enum RedisReply: Sendable, Equatable {
  case null
  case integer(Int64)
  case bytes([UInt8])
  case status(String)
  case error(String)
  indirect case array([RedisReply])

  /// Copies a reply of hiredis; the original stays the caller's to free.
  init(_ reply: UnsafePointer<redisReply>) {
    let fields = reply.pointee
    switch fields.type {
    case REDIS_REPLY_NIL: self = .null
    case REDIS_REPLY_INTEGER: self = .integer(fields.integer)
    case REDIS_REPLY_STRING: self = .bytes(Self.bytes(fields))
    case REDIS_REPLY_STATUS: self = .status(String(decoding: Self.bytes(fields), as: UTF8.self))
    case REDIS_REPLY_ERROR: self = .error(String(decoding: Self.bytes(fields), as: UTF8.self))
    default:
      self = .array(
        (0..<fields.elements).map { index in
          guard let element = fields.element[index] else { return .null }
          return RedisReply(element)
        })
    }
  }

  private static func bytes(_ fields: redisReply) -> [UInt8] {
    guard let start = fields.str else { return [] }
    return [UInt8](UnsafeRawBufferPointer(start: start, count: fields.len))
  }
}
