import Protobuf
import TestSupport

/// Whatever is read is written and read again the same, and merges with what follows in the same way.
enum ProtobufTarget {
  /// So small that the limits themselves are met often.
  private static let tight = ProtobufLimits(size: 256, depth: 3, elements: 8)

  static func run(_ input: [UInt8]) throws(FuzzFinding) {
    guard let first = input.first else { return }
    let type = MessageTypes.all[Int(first) % MessageTypes.all.count]
    try check(type, Array(input.dropFirst()))
  }

  private static func check<Message: ProtobufNamedMessage>(
    _ type: Message.Type, _ bytes: [UInt8]
  ) throws(FuzzFinding) {
    let limited = try? Message(serialized: bytes, limits: tight)
    guard let message = try? Message(serialized: bytes) else {
      return try require(limited == nil, "smaller limits let in what larger ones refuse")
    }
    let written = message.serialized()
    // Compared as bytes: a NaN does not equal itself.
    if let limited { try require(limited.serialized() == written, "limits change what is read") }
    guard let again = try? Message(serialized: written) else {
      throw FuzzFinding("what was written of a \(Message.protobufName) cannot be read: \(written)")
    }
    try require(again.serialized() == written, "read again, a \(Message.protobufName) is another: \(written)")
    // What is written stands for what was read when more follows, too.
    guard let twice = try? Message(serialized: bytes + bytes), let continued = try? Message(serialized: written + bytes)
    else { throw FuzzFinding("a \(Message.protobufName) twice in a row cannot be read: \(bytes)") }
    try require(
      twice.serialized() == continued.serialized(),
      "merged with more, a \(Message.protobufName) depends on how it was written")
  }
}
