import Glibc
import Kafka

/// Takes commands over a socket, one a line, and answers each with one line.
struct Control: Sendable {
  let cluster: MockCluster
  let bootstrap: Acceptor
  let brokers: Int32

  /// Serves one connection until it ends or sends a line of more than 1 KiB.
  func serve(_ socket: Int32) {
    var pending: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 10)
    while true {
      while let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
        let line = String(decoding: pending[..<end], as: UTF8.self)
        pending.removeSubrange(...end)
        guard writeAll(socket, Array("\(answer(line))\n".utf8)[...]) else { return }
      }
      let count = read(socket, &buffer, buffer.count)
      if count < 0 && errno == EINTR { continue }
      guard count > 0, pending.count + count <= 1 << 11 else { return }
      pending += buffer[..<count]
    }
  }

  /// Carries one command out.
  func answer(_ line: String) -> String {
    let words = line.split(whereSeparator: \.isWhitespace)
    do throws(KafkaError) {
      let isDone = try run(words.first.map(String.init) ?? "", Array(words.dropFirst()))
      return isDone ? "ok" : "error: cannot read \"\(line)\"; devkafka --help lists the commands"
    } catch {
      return "error: \(error)"
    }
  }

  /// - Returns: false when the command or an argument is not understood.
  private func run(_ command: String, _ words: [Substring]) throws(KafkaError) -> Bool {
    switch (command, words.count) {
    case ("ping", 0): return true
    case ("error", 3): return pushErrors(words)
    case ("clear", 1):
      guard let request = MockRequest(words[0]) else { return false }
      cluster.clearErrors(request: request)
    case ("topic", 2):
      guard let partitions = Int(words[1]), 1...1_024 ~= partitions else { return false }
      try cluster.createTopic(String(words[0]), partitions: partitions)
    case ("topic-error", 2):
      guard let error = KafkaErrorNumber.parse(words[1]) else { return false }
      cluster.setTopicError(String(words[0]), error)
    case ("broker", 1...2):
      guard let broker = Self.optionalBroker(words, at: 1) else { return false }
      return try setBroker(words[0], broker)
    case ("rtt", 1...2):
      guard let broker = Self.optionalBroker(words, at: 1), let delay = Int32(words[0]), delay >= 0 else {
        return false
      }
      try cluster.setRoundTrip(milliseconds: delay, broker: broker)
    case ("leader", 3):
      guard let partition = Int32(words[1]), let broker = Int32(words[2]) else { return false }
      try cluster.setLeader(TopicPartition(String(words[0]), partition), broker: broker < 0 ? nil : broker)
    default: return false
    }
    return true
  }

  private func pushErrors(_ words: [Substring]) -> Bool {
    guard let request = MockRequest(words[0]), let count = Int(words[1]), 1...10_000 ~= count,
      let error = KafkaErrorNumber.parse(words[2])
    else { return false }
    cluster.pushErrors(request: request, [Int32](repeating: error, count: count))
    return true
  }

  /// An outage of everything shuts the bootstrap port too, which belongs to us and not to the mock.
  private func setBroker(_ state: Substring, _ broker: Int32?) throws(KafkaError) -> Bool {
    let isWhole = broker == nil || brokers == 1
    switch state {
    case "down":
      if isWhole { bootstrap.setShut(true) }
      try cluster.setDown(broker: broker)
    case "up":
      try cluster.setUp(broker: broker)
      if isWhole { bootstrap.setShut(false) }
    default: return false
    }
    return true
  }

  /// The broker id at that place: `.some(nil)` when it is left out, nil when it is no id.
  private static func optionalBroker(_ words: [Substring], at index: Int) -> Int32?? {
    if words.count <= index { return .some(nil) }
    guard let id = Int32(words[index]), id > 0 else { return nil }
    return .some(id)
  }
}
