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
  /// RST_STREAM frames that a peer may send at once. Beyond this and `resetsPerSecond` the connection ends. Resets of
  /// ours that the peer provoked have a bucket of the same size.
  public var resetBurst = 2_000
  /// RST_STREAM frames a second that a peer may send in the long run.
  public var resetsPerSecond = 200
  /// Frames without work (SETTINGS, PING, PRIORITY, WINDOW_UPDATE, empty DATA) that a peer may send at once. Beyond
  /// this and `idleFramesPerSecond` the connection ends. Each HEADERS or DATA frame of ours allows four more.
  public var idleFrameBurst = 10_000
  /// Frames without work that a peer may send a second in the long run.
  public var idleFramesPerSecond = 1_000
  /// Time limit for the preface and SETTINGS of a new connection, and for the header block of each request.
  public var handshakeTimeout = Duration.seconds(10)
  /// A peer with bytes waiting for it that drains fewer than 4 KiB, and not all of them, in this time is dropped.
  public var stalledPeerTimeout = Duration.seconds(60)
  /// Time without a frame from the peer after which it gets a PING.
  public var keepaliveInterval = Duration.seconds(7_200)
  /// Time to answer that PING before the connection is closed.
  public var keepaliveTimeout = Duration.seconds(20)
  /// PINGs of a client closer together than this are strikes while streams are open (gRFC A8).
  public var minPingInterval = Duration.seconds(300)
  /// The same while no stream is open.
  public var minPingIntervalIdle = Duration.seconds(7_200)
  /// More strikes than this end the connection with ENHANCE_YOUR_CALM.
  public var maxPingStrikes = 2
  /// Connections older than this, give or take 10 %, are drained; nil: never (gRFC A9).
  public var maxAge: Duration?
  /// Connections without a stream for this long are drained; nil: never.
  public var maxIdle: Duration?
  /// How long a drained connection waits for the PING's answer between its two GOAWAYs.
  public var drainPingTimeout = Duration.seconds(2)
  /// The payload by which our PINGs are known in a capture of the wire; the last byte tells them apart.
  public var pingMark: UInt64 = 0x6832_7069_6E67_0000

  var keepaliveMark: UInt64 { pingMark & ~0xFF | 1 }
  var drainMark: UInt64 { pingMark & ~0xFF | 2 }

  /// The defaults, which suit a server that strangers may call.
  public init() {}
}

/// An HTTP/2 error code (RFC 9113 section 7).
public struct HTTP2ErrorCode: RawRepresentable, Sendable, Hashable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The connection or stream ends as it should.
  public static let noError = HTTP2ErrorCode(rawValue: 0)
  /// The peer broke the protocol.
  public static let protocolError = HTTP2ErrorCode(rawValue: 1)
  /// The stream was not processed at all: the request may be sent again.
  public static let refusedStream = HTTP2ErrorCode(rawValue: 7)
  /// The stream is no longer wanted.
  public static let cancel = HTTP2ErrorCode(rawValue: 8)
  /// The peer asks for more than is reasonable.
  public static let enhanceYourCalm = HTTP2ErrorCode(rawValue: 11)
}
