internal import GatewaySettings
internal import HTTPServer
internal import Logger
internal import Runtime
internal import TLS
internal import Values

extension HTTPServerConfiguration {
  /// Descriptors that connections of callers leave for databases, brokers, the bank and files.
  private static let descriptorsKept = 256
  /// Requests at a time beside those that wait for payments.
  private static let requestsAtWork = 8_192

  /// What the settings allow; as many connections as the limit on open files, which is raised, leaves room for.
  init(_ settings: GatewaySettings.Server, logger: Logger) {
    self.init(address: settings.address, surface: "gateway", addressName: "GATEWAY_ADDR")
    if settings.hasTLS { tls = TLSIdentityFiles(certificate: settings.certificate, key: settings.key) }
    let descriptors = DescriptorLimit.raise()
    maxConnections = min(settings.maxConnections, max(1, descriptors - Self.descriptorsKept))
    if maxConnections < settings.maxConnections {
      logger.warning(
        "fewer connections than GATEWAY_MAX_CONNECTIONS: raise the limit on open files",
        ["connections": .number(maxConnections), "open_files": .number(descriptors)])
    }
    maxConnectionsPerPeer = settings.maxPeerConnections
    maxRequests = settings.maxWaiters + Self.requestsAtWork
    maxHeldBodies = settings.maxHeldBytes
    idleTime = settings.idleTimeout
    requestTime = settings.requestTimeout
    sendTime = settings.sendTimeout
  }
}
