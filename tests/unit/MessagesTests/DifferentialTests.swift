import Foundation
import Messages
import Protobuf
import Testing

/// Our codec against Google's protobuf on random messages and on damaged ones.
///
/// `PROTOBUF_SEED` repeats a run; the seed is in the message of a failure.
@Suite(.enabled(if: PythonPeer.python != nil, "set PROTOBUF_PYTHON to a Python with protobuf and grpcio-tools"))
struct DifferentialTests {
  private let seed: Int
  private static let count = 4600

  init() {
    let given = ProcessInfo.processInfo.environment["PROTOBUF_SEED"].flatMap { Int($0) }
    seed = given ?? Int.random(in: 0..<1_000_000)
  }

  @Test func `what Python writes we read and write the same`() throws {
    let peer = try PythonPeer(implementation: "python")
    defer { peer.remove() }
    let emitted = try peer.emit(seed: seed, count: Self.count)
    #expect(emitted.count == Self.count)
    for line in emitted {
      let type = try #require(MessageTypes.byName[line[0]])
      let message: any ProtobufMessage = try type.init(serialized: Hex.bytes(line[1]))
      try #require(Hex.text(message.serialized()) == line[1], "seed \(seed): \(line[0]) \(line[1])")
      try #require(MessageText.of(message) == line[2], "seed \(seed): \(line[0]) \(line[1])")
    }
  }

  @Test func `what we write Python reads and writes the same`() throws {
    let peer = try PythonPeer(implementation: "python")
    defer { peer.remove() }
    var random = RandomMessages(seed: UInt64(seed))
    let messages = (0..<Self.count).map { random.message(MessageTypes.all[$0 % MessageTypes.all.count]) }
    let answers = try peer.check(
      messages.map { "\(type(of: $0).protobufName) \(Hex.text($0.serialized()))" })
    #expect(answers.count == messages.count)
    for (message, answer) in zip(messages, answers) {
      let hexadecimal = Hex.text(message.serialized())
      let text = MessageText.of(message)
      try #require(answer == [hexadecimal, text], "seed \(seed): \(type(of: message).protobufName) \(hexadecimal)")
    }
  }

  @Test(arguments: ["python", "upb"])
  func `damaged messages are refused by both or read the same`(implementation: String) throws {
    let peer = try PythonPeer(implementation: implementation)
    defer { peer.remove() }
    var random = RandomMessages(seed: UInt64(seed))
    let damaged = (0..<Self.count * 4).map { index in
      let message = random.message(MessageTypes.all[index % MessageTypes.all.count])
      return (type: type(of: message), bytes: random.damage(message.serialized()))
    }
    let answers = try peer.check(damaged.map { "\($0.type.protobufName) \(Hex.text($0.bytes))" })
    #expect(answers.count == damaged.count)
    var refused = 0
    for (one, answer) in zip(damaged, answers) {
      let message: (any ProtobufMessage)? = try? one.type.init(serialized: one.bytes)
      if message == nil { refused += 1 }
      let text = message.map { MessageText.of($0) } ?? "error"
      try #require(text == answer.last, "seed \(seed): \(one.type.protobufName) \(Hex.text(one.bytes))")
    }
    #expect(refused > damaged.count / 10 && refused < damaged.count * 9 / 10)
  }
}
