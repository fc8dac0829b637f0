import Kafka

/// What the command line asks for.
struct Options {
  var listen = Endpoint(host: "127.0.0.1", port: 9095)
  var control: Endpoint?
  var topics: [TopicSpecification] = []
  var partitions = 4
  var brokers = 1
  var wantsHelp = false

  /// A mistake on the command line, for people.
  struct Mistake: Error {
    let message: String
    /// The exit status: 2 for the command line, 1 for what the machine refuses.
    var status: Int32 = 2
  }

  /// - Throws: `Mistake`, with what was expected and found.
  init(_ arguments: some Sequence<String>) throws(Mistake) {
    var rest = Array(arguments)[...]
    var names: [(name: String, partitions: Int?)] = []
    while let option = rest.popFirst() {
      if option == "--help" || option == "-h" {
        wantsHelp = true
        continue
      }
      guard let value = rest.popFirst() else { throw Mistake(message: "\(option) needs a value; see --help") }
      switch option {
      case "--listen": listen = try Endpoint.loopback(value, option)
      case "--control": control = try Endpoint.loopback(value, option)
      case "--topic": names.append(try Self.topic(value))
      case "--partitions": partitions = try Self.number(value, option, 1...1_024)
      case "--brokers": brokers = try Self.number(value, option, 1...9)
      default: throw Mistake(message: "unknown option \(option); see --help")
      }
    }
    topics = names.map { [partitions] in TopicSpecification($0.name, partitions: $0.partitions ?? partitions) }
    if Set(topics.map(\.name)).count != topics.count { throw Mistake(message: "--topic names a topic twice") }
  }

  private static func topic(_ text: String) throws(Mistake) -> (String, Int?) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count <= 2, !parts[0].isEmpty else {
      throw Mistake(message: "--topic expects NAME or NAME:PARTITIONS, found \"\(text)\"")
    }
    if parts.count == 1 { return (String(parts[0]), nil) }
    return (String(parts[0]), try number(String(parts[1]), "--topic \(parts[0])", 1...1_024))
  }

  private static func number(_ text: String, _ option: String, _ range: ClosedRange<Int>) throws(Mistake) -> Int {
    if let number = Int(text), range.contains(number) { return number }
    throw Mistake(
      message: "\(option) expects a number from \(range.lowerBound) to \(range.upperBound), found \"\(text)\"")
  }

  static let help = """
    devkafka: a Kafka for development and tests, in memory, on the loopback interface only.

    usage: devkafka [--listen HOST:PORT] [--topic NAME[:PARTITIONS]]… [--partitions N] [--brokers N]
                    [--control HOST:PORT]

      --listen HOST:PORT    where clients bootstrap; default 127.0.0.1:9095; port 0 takes any and prints it
      --topic NAME[:N]      make this topic with N partitions; repeatable
      --partitions N        partitions of a --topic without a number; default 4. A topic that a client
                            names and that does not exist yet always appears with 4.
      --brokers N           brokers of the cluster, ids from 1; default 1
      --control HOST:PORT   take commands there, one a line, each answered by a line "ok …" or "error: …"

    It serves producers, idempotent ones too, and consumer groups (a join takes about 3 s). It has no CreateTopics and
    no look-up by time, and keeps about 5 MB (as stored) a partition: what is older is gone.

    commands of the control endpoint:
      error API COUNT CODE       the next COUNT requests of this kind fail with CODE; _TRANSPORT cuts the connection
      clear API                  forget the errors still waiting for such requests
      topic NAME PARTITIONS      make a topic
      topic-error TOPIC CODE     metadata requests for the topic answer CODE; 0 heals it
      broker down|up [ID]        an outage of one broker or all, and its end
      rtt MS [ID]                delay every answer of one broker or all
      leader TOPIC PARTITION ID  make that broker the leader; -1 for none
      ping                       answers ok
    API is a number or one of: \(MockRequest.names.map(\.name).joined(separator: ", ")).
    CODE is a number or a name such as MSG_SIZE_TOO_LARGE or NOT_LEADER_FOR_PARTITION.
    """
}
