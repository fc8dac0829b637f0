internal import Values

/// Where spans go, and which traces are recorded: a group of settings under OpenTelemetry's own names
/// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/). Other variables of
/// OpenTelemetry are passed over.
public struct TraceOptions: Sendable {
  /// `OTEL_EXPORTER_OTLP_ENDPOINT`: the collector, without a slash at the end; nil records nothing.
  public var endpoint: String?
  /// `OTEL_EXPORTER_OTLP_HEADERS`: what the collector wants to see, such as a token.
  public var headers: [NamedText] = []
  /// `OTEL_SERVICE_NAME`: what spans are filed under; empty for the program's name.
  public var serviceName = ""
  /// `OTEL_TRACES_SAMPLER`: which traces are recorded.
  public var sampler = Sampler.parentBasedAlwaysOn
  /// `OTEL_TRACES_SAMPLER_ARG`: the part of the traces that a ratio records, from 0 to 1.
  public var ratio = 1.0
  /// `OTEL_RESOURCE_ATTRIBUTES`: what is known of this process besides.
  public var attributes: [NamedText] = []

  /// Nothing is recorded.
  public init() {}

  /// A name and its text.
  public struct NamedText: Sendable, Hashable {
    /// Not empty.
    public let name: String
    /// May be empty.
    public let text: String
  }

  /// The samplers of OpenTelemetry that need no service of their own.
  public enum Sampler: String, Sendable, CaseIterable {
    case alwaysOn = "always_on"
    case alwaysOff = "always_off"
    case ratio = "traceidratio"
    case parentBasedAlwaysOn = "parentbased_always_on"
    case parentBasedAlwaysOff = "parentbased_always_off"
    case parentBasedRatio = "parentbased_traceidratio"
  }

  /// The rows.
  static func rows(_ users: [Program]) -> [Setting<TraceOptions>] {
    [
      .parsed(
        "OTEL_EXPORTER_OTLP_ENDPOINT", \.endpoint, rule: "the URL of a collector (http or https), or nothing for none",
        endpoint, .value(""), users, "where spans go, as OTLP over HTTP to the path `/v1/traces`: [tracing](tracing.md)"
      ),
      .parsed(
        "OTEL_EXPORTER_OTLP_HEADERS", \.headers, rule: pairsRule, isSecret: true, pairs, .value(""), users,
        "header fields for the collector, such as a token"),
      .text(
        "OTEL_SERVICE_NAME", \.serviceName, rule: "at most 255 bytes", { $0.utf8.count <= 255 }, .value(""), users,
        "name of the service in spans; nothing: the program's name"),
      .choice(
        "OTEL_TRACES_SAMPLER", \.sampler, .value("parentbased_always_on"), users,
        "which traces are recorded; `parentbased_…`: those of others that they record, too"),
      .parsed(
        "OTEL_TRACES_SAMPLER_ARG", \.ratio, rule: "a number from 0 to 1", ratio, .value("1"), users,
        "the part of the traces that `traceidratio` records"),
      .parsed(
        "OTEL_RESOURCE_ATTRIBUTES", \.attributes, rule: pairsRule, pairs, .value(""), users,
        "attributes of the process in spans, such as `deployment.environment.name=prod`"),
    ]
  }

  private static let pairsRule = "NAME=VALUE, several with commas between, values percent-encoded, or nothing"

  private static func endpoint(_ text: String) -> String?? {
    if text.isEmpty { return .some(nil) }
    let rest = ["http://", "https://"].first(where: text.hasPrefix).map { text.dropFirst($0.count) }
    guard let rest, let first = rest.utf8.first, first != UInt8(ascii: "/"), text.utf8.count <= 2_048,
      text.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "@") && $0 != UInt8(ascii: "?") })
    else { return nil }
    return .some(text.hasSuffix("/") ? String(text.dropLast()) : text)
  }

  private static func ratio(_ text: String) -> Double? {
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }), let number = Double(text)
    else { return nil }
    return (0...1).contains(number) ? number : nil
  }

  /// W3C Baggage's way of writing, without its properties.
  private static func pairs(_ text: String) -> [NamedText]? {
    if text.isEmpty { return [] }
    guard text.utf8.count <= 8_192 else { return nil }
    var pairs: [NamedText] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let halves = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(trimmed)
      guard halves.count == 2, !halves[0].isEmpty,
        let value = PercentEncoding.decode(halves[1])
      else { return nil }
      pairs.append(NamedText(name: String(halves[0]), text: String(decoding: value, as: UTF8.self)))
    }
    return pairs
  }

  private static func trimmed(_ text: Substring) -> Substring {
    var text = text
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return text
  }
}
