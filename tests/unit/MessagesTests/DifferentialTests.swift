import Foundation
import Protobuf
import StandardMessages
import Testing

@testable import TestSupport

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
    try #require(answers.count == messages.count)
    for (message, answer) in zip(messages, answers) {
      let hexadecimal = Hex.text(message.serialized())
      let text = MessageText.of(message)
      try #require(answer == [hexadecimal, text], "seed \(seed): \(type(of: message).protobufName) \(hexadecimal)")
    }
  }

  /// Python's two implementations differ here, and each time we side with the specification: `python` lets a tag have
  /// more than 32 bits, `upb` drops a map entry that has unknown fields inside.
  @Test func `damaged messages are refused or read as one of Google's parsers does`() throws {
    var random = RandomMessages(seed: UInt64(seed))
    let damaged = (0..<Self.count * 4).map { index in
      let message = random.message(MessageTypes.all[index % MessageTypes.all.count])
      return (type: type(of: message), bytes: random.damage(message.serialized()))
    }
    let lines = damaged.map { "\($0.type.protobufName) \(Hex.text($0.bytes))" }
    let python = try answers(of: "python", to: lines)
    let upb = try answers(of: "upb", to: lines)
    var refused = 0
    var differing = 0
    for (index, one) in damaged.enumerated() {
      let message: (any ProtobufMessage)? = try? one.type.init(serialized: one.bytes)
      if message == nil { refused += 1 }
      let text = message.map { MessageText.of($0) } ?? "error"
      if python[index].last != upb[index].last { differing += 1 }
      let theirs = [python[index].last, upb[index].last]
      try #require(theirs.contains(text), "seed \(seed): \(lines[index])")
    }
    #expect(refused > damaged.count / 10 && refused < damaged.count * 9 / 10)
    #expect(differing < damaged.count / 100)
  }

  private func answers(of implementation: String, to lines: [String]) throws -> [[String]] {
    let peer = try PythonPeer(implementation: implementation)
    defer { peer.remove() }
    let answers = try peer.check(lines)
    try #require(answers.count == lines.count)
    return answers
  }
}
