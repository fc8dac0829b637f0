internal import Runtime
internal import Values

/// A call in the slot of its stream: its request as it comes, its handler, and the bytes it is charged with. The slot's
/// next call uses its memory again.
///
/// How a call begins, finishes and leaves its slot is decided here; `ServerConnection` says when, and does what follows
/// for the connection, the loop and the peer. The words are those of `ServerCallState`.
struct CallSlot {
  /// The stream; 0: the slot is free.
  private(set) var id: Int32 = 0
  var state = ServerCallState(.unary)
  private(set) var record: ServerCallRecord?
  /// The record of the last call here, when nobody kept it.
  private var spare: ServerCallRecord?
  var deframer: MessageDeframer
  /// How compressed messages of the request are compressed.
  private(set) var encoding = MessageEncoding.identity
  private(set) var acceptsGzip = false
  /// Responses from this length on are compressed; set when the headers go out.
  var minCompressed = Int.max
  /// The request of a call that takes one, until the client ends its side.
  var kept = MessageDeframer.Message.none
  /// What the compressed message that its handler was given last has expanded to, bytes.
  var expanded = 0
  /// Messages that wait for a streaming handler; flow control bounds them.
  var queue = MessageQueue()
  var requestHasEnded = false
  /// A handler that waits for a message, and handlers that wait for room to write.
  var reader: ServerCall.ReadWaiter?
  var writers: [ServerCall.WriteWaiter] = []
  /// The handler, until it returns or the call finishes.
  var task: Task<Void, Never>?
  /// Fires at the deadline.
  var timer: EventLoopTimer?
  /// When the call began: nanoseconds of `Instant`.
  private(set) var began: Int64 = 0
  /// Bytes of its request that it was charged with when they were counted last.
  private var charged = 0
  /// Whether it is counted among the streaming calls of its peer.
  var isCountedForPeer = false

  /// - Parameter limit: the longest message of a call whose method has no limit of its own, bytes.
  init(limit: Int) { deframer = MessageDeframer(limit: limit) }

  /// The call is there whose header block has come.
  /// - Returns: what it shares with its handler.
  mutating func begin(
    _ id: Int32, _ method: RegisteredMethod, encoding: MessageEncoding, acceptsGzip: Bool, deadline: Instant,
    peer: ServerPeer, metadata: inout MetadataBuffer
  ) -> ServerCallRecord {
    self.id = id
    state = ServerCallState(method.kind)
    deframer.reset(limit: method.maxRequestSize)
    self.encoding = encoding
    self.acceptsGzip = acceptsGzip
    minCompressed = .max
    expanded = 0
    requestHasEnded = false
    began = Instant.now().nanoseconds
    let record = spare.take() ?? ServerCallRecord(method: method, deadline: deadline, peer: peer)
    record.reuse(method: method, deadline: deadline)
    record.takeMetadata(&metadata)
    self.record = record
    return record
  }

  /// Whether there are bytes to count, or bytes were counted.
  var holdsBytes: Bool {
    charged > 0 || deframer.buffered > 0 || !kept.bytes.isEmpty || !queue.isEmpty || expanded > 0
  }

  /// Counts the bytes of its request that it makes the server hold.
  /// - Returns: how many more they are than when they were counted last.
  mutating func recount() -> Int {
    let held = state.isFinished ? 0 : deframer.buffered + kept.bytes.count + queue.byteCount + expanded
    defer { charged = held }
    return held - charged
  }

  /// Lets the request go; for a call that has finished.
  /// - Returns: as `recount`.
  mutating func dropRequest() -> Int {
    if !kept.bytes.isEmpty { kept = .none }
    if !queue.isEmpty { queue = MessageQueue() }
    deframer.reset()
    return charged > 0 ? recount() : 0
  }

  /// Takes out what waits for the call; for a call that has finished.
  mutating func takeWaiters() -> (reader: ServerCall.ReadWaiter?, writers: [ServerCall.WriteWaiter])? {
    guard reader != nil || !writers.isEmpty else { return nil }
    let waiters = (reader, writers)
    (reader, writers) = (nil, [])
    return waiters
  }

  /// The stream has closed: the slot is free for the next.
  mutating func free() {
    id = 0
    // A handler may have kept its context, or still run.
    if isKnownUniquelyReferenced(&record) {
      record?.clear()
      spare = record.take()
    } else {
      record = nil
    }
  }
}
