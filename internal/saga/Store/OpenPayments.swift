public import Postgres
internal import Values

/// Finds the open payment that expires first, which is the oldest one while all live equally long.
///
/// No index has the open payments alone: with their status in its condition no settle would be a HOT update any more.
/// The index of expiries has all payments, so it is walked upwards once, a page at a time: what lies below the floor is
/// final for good, and each payment is read once in passing. Belongs to one thread.
public struct OpenPayments: Sendable {
  /// What a look has found.
  public enum Finding: Sendable, Hashable {
    /// Nothing yet: there are further pages.
    case unknown
    /// How old the oldest open payment is, by the database's clock.
    case oldest(age: Duration)
    /// No payment is open that was made before `youngest`.
    case none
  }

  private struct Place: Sendable {
    var expiresAt: Timestamp
    var orderID: Int64
  }

  /// Payments that one look reads at most.
  public static let page = 5_000
  /// How old a payment has to be: one may become visible this long after it was made, and no later.
  public static let youngest = Duration.seconds(300)

  private let timeToLive: Duration
  private let limit: Int
  /// All payments before it are final; nil until the first look, which begins where expiry has done its work.
  private var floor: Place?

  /// - Parameters:
  ///   - timeToLive: how long payments live.
  ///   - page: how many payments one look reads at most.
  public init(timeToLive: Duration, page: Int = page) {
    self.timeToLive = timeToLive
    limit = page
  }

  /// Reads on from where the last look has ended.
  public mutating func look(on connection: Connection) throws(DatabaseError) -> Finding {
    let parameters: [Parameter] = [
      .timestampOrNull(floor?.expiresAt), .int64(floor?.orderID ?? 0), .double(timeToLive.inSeconds),
      .double(Self.youngest.inSeconds), .int64(Int64(limit)),
    ]
    // One snapshot and one time: the end is that of the page that was read.
    let (open, end) = try connection.rollingBack { () throws(DatabaseError) -> (Row?, Row?) in
      if let open = try connection.run([.beginSnapshot, Command(Self.findOpen, parameters)])[1].first {
        try connection.run(.commit)
        return (open, nil)
      }
      return (nil, try connection.run([Command(Self.findEnd, parameters), .commit])[0].only)
    }
    if let row = open {
      floor = Place(expiresAt: try row.timestamp(OpenColumn.expiresAt), orderID: try row.int64(OpenColumn.orderID))
      return .oldest(age: .microseconds(try row.int64(OpenColumn.ageMicroseconds)))
    }
    guard let row = end else { return .unknown }
    if let last = try row.optionalTimestamp(EndColumn.expiresAt) {
      floor = Place(expiresAt: last, orderID: try row.int64(EndColumn.orderID).adding(saturating: 1))
      return .unknown
    }
    floor = Place(expiresAt: try row.timestamp(EndColumn.bound), orderID: 0)
    return .none
  }

  private enum OpenColumn: Int, AnswerColumn { case expiresAt, orderID, ageMicroseconds }
  private enum EndColumn: Int, AnswerColumn { case expiresAt, orderID, bound }

  /// Whoever wrote a payment that expires later may not have committed yet.
  private static let bound = "now() + make_interval(secs => $3) - make_interval(secs => $4)"

  /// From the floor upwards: `$1` and `$2`.
  private static let above = """
    FROM payment p
    WHERE p.expires_at >= coalesce($1::timestamptz, now() - make_interval(secs => $4))
      AND ($1::timestamptz IS NULL OR p.expires_at > $1 OR p.order_id >= $2) AND p.expires_at < \(bound)
    ORDER BY p.expires_at, p.order_id
    """

  private static let findOpen = Statement(
    """
    SELECT p.expires_at, p.order_id,
           greatest(0, extract(epoch FROM now() - p.created_at) * 1000000)::bigint AS age_microseconds
    FROM (SELECT p.expires_at, p.order_id, p.created_at, p.status \(above) LIMIT $5) p
    WHERE p.status = 'CREATED' ORDER BY p.expires_at, p.order_id LIMIT 1
    """, isReadOnly: true)

  /// The last payment of a page that is full.
  private static let findEnd = Statement(
    """
    SELECT e.expires_at, e.order_id, \(bound) AS bound FROM (SELECT) one
    LEFT JOIN LATERAL (SELECT p.expires_at, p.order_id \(above) LIMIT 1 OFFSET $5 - 1) e ON true
    """, isReadOnly: true)
}
