import HTTPClient
import Runtime
import SagaSettings
import Settings
import Values

/// Asks the admin ports of running programs.
struct AdminClient: Sendable {
  /// Metrics of a gateway have some hundred lines.
  private static let longestAnswer = 4 << 20
  /// The admin ports of the programs that `make up` starts.
  private static let standard = (9101...9105).map { "127.0.0.1:\($0)" }

  let addresses: [String]
  private let token: String?
  private let timeout: Duration

  /// - Parameter words: `HOST:PORT` each; empty for those of `PAYSAGA_PROGRAMS`, or of `make up`.
  init(_ words: [String], _ session: Session) throws(CommandError) {
    var chosen = words
    if chosen.isEmpty, let given = session.given.text("PAYSAGA_PROGRAMS") {
      chosen = given.split(separator: ",").map(String.init)
    }
    if chosen.isEmpty { chosen = Self.standard }
    for word in chosen {
      guard let address = NetworkAddress(word), address.port != 0 else {
        throw .usage("expected the HOST:PORT of an admin port, found \"\(printable(word))\"")
      }
    }
    addresses = chosen.enumerated().filter { !chosen[..<$0.offset].contains($0.element) }.map(\.element)
    timeout = session.patience(.seconds(5))
    token = session.given.text("PAYSAGA_ADMIN_TOKEN")
  }

  /// Asks all programs side by side.
  func states() -> (found: [ProgramState], silent: [Finding]) {
    let client = HTTPClient(HTTPClientConfiguration(userAgent: Program.cli.name))
    defer { client.stop(until: .now() + .seconds(1)) }
    // One question at a time of each program; a silent one costs its time once.
    var found: [ProgramState] = []
    var silent: [Finding] = []
    for address in addresses {
      let start = Instant.now()
      var state = ProgramState(address: address)
      do throws(CommandError) {
        state.takeReadiness(try get("/readyz", address, client).body)
      } catch {
        silent.append(Finding(address, error.message, "is a program running there? Start it, or name the right ports"))
        continue
      }
      state.elapsed = Instant.now() - start
      // Absent in older programs; /config also where we have no token.
      if let answer = try? get("/version", address, client), answer.status == 200 { state.takeVersion(answer.body) }
      if let answer = try? get("/config", address, client), answer.status == 200 { state.takeSettings(answer.body) }
      if let answer = try? get("/metrics", address, client), answer.status == 200 { state.takeMetrics(answer.body) }
      found.append(state)
    }
    return (found, silent)
  }

  /// Asks all programs for their metrics, side by side.
  /// - Parameter timeout: how long each may take.
  func looks(_ client: HTTPClient, timeout: Duration) -> ProgramLooks {
    let answers = Monitor<[String: ProgramLook]>([:])
    for address in addresses {
      client.send(request("/metrics", address, timeout: timeout)) { result in
        let look =
          switch result {
          case .success(let answer) where answer.status == 200:
            ProgramLook(address, at: .now(), MetricsPage(answer.body))
          case .success(let answer): ProgramLook(address, at: .now(), problem: "it answers \(answer.status)")
          case .failure(let error): ProgramLook(address, at: .now(), problem: "no answer: \(error)")
          }
        answers.update { $0[address] = look }
      }
    }
    // Each request ends by its timeout.
    let found = answers.wait { [count = Set(addresses).count] in $0.count == count ? $0 : nil } ?? [:]
    return addresses.compactMap { found[$0] }
  }

  private func request(_ path: String, _ address: String, timeout: Duration) -> HTTPClientRequest {
    HTTPClientRequest(
      "GET", "http://\(address)\(path)",
      headers: token.map { [(name: "Authorization", value: "Bearer \($0)")] } ?? [], timeout: timeout,
      maximumResponse: Self.longestAnswer)
  }

  private func get(
    _ path: String, _ address: String, _ client: HTTPClient
  ) throws(CommandError) -> HTTPClientResponse {
    let answer = Monitor<Result<HTTPClientResponse, HTTPClientError>?>(nil)
    client.send(request(path, address, timeout: timeout)) { result in answer.update { $0 = result } }
    guard let result = answer.wait({ $0 }) else { throw CommandError.failure("no answer") }
    switch result {
    case .success(let response): return response
    case .failure(let error): throw CommandError.failure("no answer: \(error)")
    }
  }
}
