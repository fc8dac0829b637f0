internal import Values

// The three kinds of statements of a relay. At most one statement of each kind is open.

/// The statement that shows that the relay lives, renews its leases, and claims and releases shards.
enum LeaseStatement {
  /// The next is due at that moment.
  case idle(until: Instant)
  case open(isRenewing: Bool)

  /// Whether it locks the rows of leases, which completions lock too.
  var isRenewing: Bool { if case .open(isRenewing: true) = self { true } else { false } }

  /// When to send the next; in the distant future while one is open.
  var due: Instant { if case .idle(let until) = self { until } else { .distantFuture } }

  /// Makes the next due now.
  mutating func hurry(at now: Instant) { if case .idle = self { self = .idle(until: now) } }
}

/// The statement that reads waiting events.
enum ReadStatement {
  /// The next is due at that moment, or as soon as there is room.
  case idle(until: Instant)
  /// The last one failed: no other is sent before that moment, and then one is.
  case failed(until: Instant)
  /// `isWanted`: another is due right after it.
  case open(ReadRequest, isWanted: Bool, since: Instant)

  var isOpen: Bool { if case .open = self { true } else { false } }

  /// When to send the next; in the distant future while one is open.
  var due: Instant {
    switch self {
    case .idle(let until), .failed(let until): until
    case .open: .distantFuture
    }
  }

  /// Something may have begun to wait.
  mutating func want(at now: Instant) {
    switch self {
    case .idle(let until): self = .idle(until: min(until, now))
    case .failed: break
    case .open(let request, _, let since): self = .open(request, isWanted: true, since: since)
    }
  }

  /// The open statement was answered.
  /// - Parameter next: when the next is due unless one is wanted already.
  /// - Returns: what was asked for, and when.
  mutating func end(at now: Instant, next: Instant) -> (request: ReadRequest, since: Instant) {
    guard case .open(let request, let isWanted, let since) = self else {
      preconditionFailure("an answer to a read that was not sent")
    }
    self = .idle(until: isWanted ? now : next)
    return (request, since)
  }

  /// No other is sent before that moment.
  mutating func hold(until moment: Instant) {
    if case .idle(let until) = self { self = .idle(until: max(until, moment)) }
  }

  /// Whether the open statement reads a shard.
  func reads(_ shard: Int16) -> Bool {
    if case .open(let request, _, _) = self { request.shards.contains { $0.shard == shard } } else { false }
  }
}

/// The statement that moves events out of WAIT.
enum CompletionStatement {
  /// The next may be sent at that moment, as soon as there are events to move.
  case idle(until: Instant)
  /// The same, but many events to move need not wait until then.
  case paced(until: Instant)
  case open(since: Instant)

  var isOpen: Bool { if case .open = self { true } else { false } }
}
