/// The limits of one connection. Every one of them bounds something a peer can make us hold or do.
public struct HTTP2Configuration: Sendable {
  /// SETTINGS_MAX_CONCURRENT_STREAMS; streams beyond it are refused with REFUSED_STREAM.
  public var maxConcurrentStreams = 100
  /// SETTINGS_INITIAL_WINDOW_SIZE, bytes: what one stream may send before its application has taken it.
  public var streamWindow = 256 << 10
  /// The connection's window, bytes: what all streams together may send before their applications have taken it.
  public var connectionWindow = 1 << 20
  /// Bytes of one header block, each field counted as name + value + 32 (RFC 9113 section 6.5.2).
  public var maxHeaderListSize = 8 << 10
  /// RST_STREAM frames taken at once, and a second in the long run; beyond them the connection is ended. As many may be
  /// provoked by what the peer does wrong.
  public var resetBurst = 2_000
  public var resetsPerSecond = 200
  /// Frames that ask for nothing (SETTINGS, PING, PRIORITY, WINDOW_UPDATE, empty DATA), likewise. Each HEADERS or DATA
  /// frame of ours allows four more.
  public var idleFrameBurst = 10_000
  public var idleFramesPerSecond = 1_000
  /// Within this time of the connection's start the preface and SETTINGS have come, or it is closed; as long has the
  /// header block of a request.
  public var handshakeTimeout = Duration.seconds(10)
  /// A peer that in this time takes neither 4 KiB nor all of what waits for it is dropped.
  public var stalledPeerTimeout = Duration.seconds(60)
  /// Quiet for this long we send a PING; unanswered for `keepaliveTimeout` the connection is closed.
  public var keepaliveInterval = Duration.seconds(7_200)
  public var keepaliveTimeout = Duration.seconds(20)
  /// Client PINGs closer together than this are strikes: with streams open, and without (gRFC A8).
  public var minPingInterval = Duration.seconds(300)
  public var minPingIntervalIdle = Duration.seconds(7_200)
  /// More strikes than this end the connection with ENHANCE_YOUR_CALM.
  public var maxPingStrikes = 2
  /// Connections older than this, give or take 10 %, are drained; nil: never (gRFC A9).
  public var maxAge: Duration?
  /// Connections without a stream for this long are drained; nil: never.
  public var maxIdle: Duration?
  /// How long a drained connection waits for the PING's answer between its two GOAWAYs.
  public var drainPingTimeout = Duration.seconds(2)

  public init() {}
}

/// An HTTP/2 error code (RFC 9113 section 7).
public struct HTTP2ErrorCode: RawRepresentable, Sendable, Hashable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let noError = HTTP2ErrorCode(rawValue: 0)
  public static let protocolError = HTTP2ErrorCode(rawValue: 1)
  public static let internalError = HTTP2ErrorCode(rawValue: 2)
  public static let refusedStream = HTTP2ErrorCode(rawValue: 7)
  public static let cancel = HTTP2ErrorCode(rawValue: 8)
  public static let enhanceYourCalm = HTTP2ErrorCode(rawValue: 11)
}
