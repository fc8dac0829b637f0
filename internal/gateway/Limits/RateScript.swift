internal import GatewayDomain
internal import Redis
internal import Values

/// `RateBucket` in Redis, shared by all gateways: one value a key, the moment at which the bucket is full again, in
/// microseconds of Redis' own clock. It expires by itself once it is full.
enum RateScript {
  /// A value that is none counts as a full bucket. One that is too far ahead, as after a failover to a machine whose
  /// clock is behind, becomes an empty bucket: it keeps callers waiting for a second at most.
  private static let text = Array(
    """
    local time = redis.call('TIME')
    local now = time[1] * 1000000 + time[2]
    local rate, count = tonumber(ARGV[1]), tonumber(ARGV[2])
    local interval, capacity = 1000000 / rate, 1000000
    local debt = (tonumber(redis.call('GET', KEYS[1]) or '') or now) - now
    local strange = debt > capacity + 1
    if not (debt > 0) then debt = 0 elseif debt > capacity then debt = capacity end
    local room = math.floor((capacity - debt) / interval + 0.000001)
    local granted = math.min(count, room)
    debt = debt + granted * interval
    if granted > 0 or strange then
      redis.call('SET', KEYS[1], string.format('%.3f', now + debt), 'PX', math.ceil(debt / 1000))
    end
    local wait = 0
    if room == granted then wait = math.max(0, math.ceil(debt + interval - capacity)) end
    return {granted, room - granted, wait}
    """.utf8)

  /// Callers of a key that ask at the same time.
  struct Asking {
    let key: UniqueID
    let rate: Int
    let count: Int
  }

  /// What each bucket gives, in order.
  static func run(_ asking: [Asking], on client: RedisClient) throws(RedisError) -> [RateGrant] {
    let calls = asking.map { asked in
      (
        key: Array("gateway:rate:\(asked.key)".utf8),
        arguments: ["\(asked.rate)", "\(asked.count)"].map { Array($0.utf8) }
      )
    }
    return zip(asking, try client.evaluate(text, calls)).map { asked, answer in
      // What Redis says is believed within what can be.
      let number = { (place: Int) in answer.indices.contains(place) ? max(0, answer[place]) : 0 }
      return RateGrant(
        granted: min(asked.count, Int(clamping: number(0))), remaining: min(asked.rate, Int(clamping: number(1))),
        wait: .microseconds(min(1_000_000, number(2))))
    }
  }
}
