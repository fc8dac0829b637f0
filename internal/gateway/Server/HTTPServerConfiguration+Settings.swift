internal import GatewaySettings
internal import HTTPServer
internal import Logger
internal import Runtime
internal import Values

extension HTTPServerConfiguration {
  /// Descriptors that connections of callers leave for databases, brokers and files.
  private static let descriptorsKept = 256
  /// Requests at a time beside those that wait for payments.
  private static let requestsAtWork = 8_192

  /// What the settings allow; as many connections as the limit on open files, which is raised, leaves room for.
  /// - Parameters:
  ///   - outgoing: calls to others at a time, each with a connection.
  ///   - others: servers beside this one; each may have as many connections.
  init(_ settings: GatewaySettings.Server, outgoing: Int, others: Int, logger: Logger) {
    self.init(address: settings.address, surface: "gateway", addressName: "GATEWAY_ADDR")
    accessLog = settings.accessLog
    let descriptors = DescriptorLimit.raise()
    // Where there are few, callers get half of them.
    let room = max(descriptors - Self.descriptorsKept - outgoing, descriptors / 2)
    maxConnections = min(settings.maxConnections, max(1, room / (1 + others)))
    if maxConnections < settings.maxConnections {
      logger.warning(
        "fewer connections than GATEWAY_MAX_CONNECTIONS: raise the limit on open files",
        ["connections": .number(maxConnections), "open_files": .number(descriptors)])
    }
    maxConnectionsPerPeer = settings.maxPeerConnections
    maxRequests = maxWaiters(settings) + Self.requestsAtWork
    maxHeldBodies = settings.maxHeldBytes
    idleTime = settings.idleTimeout
    requestTime = settings.requestTimeout
    sendTime = settings.sendTimeout
    answersAddressesOnly = settings.authentication == .open
  }

  /// The same for a server beside this one, which asks for no key.
  /// - Parameter isBehindTLS: whether a proxy stands before it, which callers know by a name.
  func of(
    _ surface: String, at address: NetworkAddress, _ setting: String, isBehindTLS: Bool
  ) -> HTTPServerConfiguration {
    var configuration = self
    configuration.answersAddressesOnly = address.isLoopback && !isBehindTLS
    (configuration.address, configuration.surface, configuration.addressName) = (address, surface, setting)
    return configuration
  }

  /// How many requests may wait for payments: a quarter of the connections is left for those that do not.
  func maxWaiters(_ settings: GatewaySettings.Server) -> Int {
    min(settings.maxWaiters, maxConnections - maxConnections / 4)
  }
}
