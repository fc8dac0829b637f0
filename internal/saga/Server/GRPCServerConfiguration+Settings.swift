internal import GRPC
internal import HTTP2
internal import Logger
internal import Runtime
internal import SagaSettings
internal import Settings
internal import Values

extension GRPCServerConfiguration {
  /// Descriptors that connections of callers leave for databases, brokers and files.
  private static let descriptorsKept = 256

  /// What the settings allow; as many connections as the limit on open files, which is raised, leaves room for.
  init(_ settings: SagaSettings.Server, logger: Logger) {
    self.init(
      address: settings.address, loops: settings.threads)
    let descriptors = DescriptorLimit.raise()
    maxConnections = min(settings.maxConnections, max(1, descriptors - Self.descriptorsKept))
    if maxConnections < settings.maxConnections {
      logger.warning(
        "fewer connections than SERVER_MAX_CONNECTIONS: raise the limit on open files",
        ["connections": .number(maxConnections), "open_files": .number(descriptors)])
    }
    maxConnectionsPerPeer = settings.maxPeerConnections
    maxStreamsPerPeer = settings.maxPeerStreams
    maxRequestSize = settings.maxMessageSize
    maxHeldBytes = settings.maxHeldBytes
    maxConcurrentCalls = max(1, settings.maxCalls / settings.threads)
    requestTimeout = settings.stallTimeout
    http2.stalledPeerTimeout = settings.stallTimeout
    http2.handshakeTimeout = settings.handshakeTimeout
    http2.keepaliveInterval = settings.keepaliveInterval
    http2.keepaliveTimeout = settings.keepaliveTimeout
    http2.minPingInterval = settings.keepaliveMinTime
    http2.minPingIntervalIdle = settings.keepaliveMinTime
    http2.maxAge = settings.maxAge
    http2.maxIdle = settings.maxIdle
  }
}
