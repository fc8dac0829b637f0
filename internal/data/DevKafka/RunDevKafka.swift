internal import Glibc
internal import Kafka
internal import Logger
internal import Runtime

/// Runs devkafka from its command line to its exit: 0 after a clean stop or for help, otherwise the status of the
/// mistake.
package func runDevKafka() -> Never {
  // Before any thread exists.
  let signals = TerminationSignals()
  do {
    let options = try Options(CommandLine.arguments.dropFirst())
    if options.wantsHelp {
      print(Options.help)
      exit(0)
    }
    let cluster = try start(options)
    _ = withExtendedLifetime(cluster) { signals.wait() }
    say("stopped")
    leave(0)
  } catch let mistake as Options.Mistake {
    fail(mistake.message, status: mistake.status)
  } catch {
    fail("\(error)", status: 1)
  }
}

/// Writes a line to standard output at once, also into a pipe.
func say(_ line: String) {
  let bytes = Array("devkafka: \(line)\n".utf8)
  _ = write(STDOUT_FILENO, bytes, bytes.count)
}

/// Ends the program with a message.
func fail(_ message: String, status: Int32) -> Never {
  LogWriter.standardError.write(line: "devkafka: \(message)")
  leave(status)
}

/// Ends the program once its log is written.
private func leave(_ status: Int32) -> Never {
  LogWriter.standardError.flush()
  exit(status)
}

/// Starts everything.
/// - Returns: the cluster, which lives for as long as someone holds it.
private func start(_ options: Options) throws -> MockCluster {
  let bootstrap = try options.listen.listen("--listen")
  let control = try options.control?.listen("--control")
  let cluster = try MockCluster(brokers: options.brokers, logger: Logger(label: "devkafka", level: .warning))
  for topic in options.topics { try cluster.createTopic(topic.name, partitions: topic.partitions) }

  let first = cluster.bootstrap.split(separator: ",").first.map(String.init) ?? ""
  let target = try Endpoint.loopback(first, "mock cluster")
  let forwarder = Acceptor(bootstrap.socket, name: "bootstrap", limit: 512) { forward($0, to: target) }
  if let control {
    let handler = Control(cluster: cluster, bootstrap: forwarder, brokers: Int32(options.brokers))
    _ = Acceptor(control.socket, name: "control", limit: 16) { handler.serve($0) }
    say("control on \(control.endpoint)")
  }
  say("everything is in memory and ends with this program; about 5 MB (as stored) a partition is kept")
  // Last, so that whoever waits for this line finds everything ready.
  say("listening on \(bootstrap.endpoint)")
  return cluster
}
