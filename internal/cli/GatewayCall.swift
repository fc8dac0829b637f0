import GatewayDomain
import HTTPClient
import Runtime
import SagaSettings
import Settings
import Values

/// A call of a gateway: what people do about payments is decided where it is executed.
struct GatewayCall {
  /// How every command that calls a gateway is told which.
  static let options = [
    Option("--gateway", "URL", "the gateway to call; default: http:// and GATEWAY_ADDR, or 127.0.0.1:8090"),
    Option("--tls-ca", "FILE", "whose certificate an https:// gateway has to have, in PEM; default: this machine's"),
  ]
  static let synopsis = "[--gateway URL] [--tls-ca FILE]"

  /// How a command is told who runs it, for the gateway's audit trails.
  static let operatorOption = Option(
    "--operator", "NAME",
    "who does it, kept with the API key's name; default: the user and the name of this machine")

  private let gateway: String?
  private let authorities: String?

  init(_ arguments: Arguments) {
    gateway = arguments.text("--gateway")
    authorities = arguments.text("--tls-ca")
  }

  /// Who runs a command; characters that a header field cannot have become question marks.
  static func person(_ arguments: Arguments) throws(CommandError) -> String {
    let name = try Operator.name(arguments)
    let visible = name.unicodeScalars.map { (" "..."~").contains($0) ? $0 : "?" }
    return String(String.UnicodeScalarView(visible.prefix(OperatorHeader.longest)))
  }

  /// - Parameters:
  ///   - person: who runs the command.
  ///   - wait: how long the gateway was asked to wait.
  /// - Throws: when there is no answer.
  func post(
    _ path: String, _ body: [UInt8]? = nil, key: String? = nil, person: String? = nil, wait: Duration = .zero,
    session: Session
  ) throws -> HTTPClientResponse {
    try call("POST", path, body, key: key, person: person, wait: wait, session: session)
  }

  /// - Parameters:
  ///   - person: who runs the command.
  ///   - wait: how long the gateway was asked to wait.
  /// - Throws: when there is no answer.
  func call(
    _ method: String, _ path: String, _ body: [UInt8]? = nil, key: String? = nil, person: String? = nil,
    wait: Duration = .zero, session: Session
  ) throws -> HTTPClientResponse {
    let local = try session.given.address("GATEWAY_ADDR") ?? NetworkAddress(host: "127.0.0.1", port: 8090)
    let base = gateway ?? "http://\(local.called)"
    var configuration = HTTPClientConfiguration(userAgent: Program.cli.name)
    configuration.certificateAuthorities = authorities
    let client = HTTPClient(configuration)
    defer { client.stop(until: .now() + .seconds(1)) }
    var headers = session.authorization
    if body != nil { headers.append(("Content-Type", "application/json")) }
    if let key { headers.append(("Idempotency-Key", key)) }
    if let person { headers.append((OperatorHeader.name, person)) }
    let answer = Monitor<Result<HTTPClientResponse, HTTPClientError>?>(nil)
    let timeout = session.patience(.seconds(15)) + wait
    client.send(
      HTTPClientRequest(method, base + path, headers: headers, body: body, timeout: timeout)
    ) { result in answer.update { $0 = result } }
    guard let result = answer.wait({ $0 }) else { throw CommandError.failure("no answer from the gateway") }
    switch result {
    case .success(let response):
      remark("from \(printable(base))")
      return response
    case .failure(let error):
      throw CommandError.failure(
        "no answer from the gateway at \(printable(base)) (\(error)); is payments-gateway running?")
    }
  }

  /// The texts of an answer that is an object.
  static func texts(_ response: HTTPClientResponse) -> [String: String] {
    var texts: [String: String] = [:]
    guard var scanner = try? JSONScanner(response.body, maximumBytes: 65_536), (try? scanner.beginObject()) != nil
    else { return texts }
    while let field = try? scanner.nextKey() {
      if (try? scanner.peek()) == .string { texts[field] = try? scanner.string() } else { try? scanner.skipValue() }
    }
    return texts
  }

  /// What the gateway said, in its own words.
  static func refusal(_ response: HTTPClientResponse) -> CommandError {
    let body = printable(String(decoding: response.body.prefix(2_000), as: UTF8.self))
    return .failure("the gateway answered \(response.status): \(body)")
  }
}

extension Session {
  /// The header field that shows the API key of a call to the gateway.
  fileprivate var authorization: [(name: String, value: String)] {
    given.text("PAYSAGA_API_KEY").map { [("Authorization", "Bearer \($0)")] } ?? []
  }
}
