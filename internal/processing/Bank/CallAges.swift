internal import Values

/// Counts calls under way that have taken longer than a second. Pure; exact to a tenth of a second.
struct CallAges {
  /// How long a call is young.
  static let youth = Duration.seconds(1)
  private static let buckets: Int64 = 10

  /// Young calls by the tenth of a second in which they began, at the number of that modulo `buckets`.
  private var young = [Int](repeating: 0, count: Int(buckets))
  /// The latest tenth of a second that is known.
  private var newest: Int64 = 0
  /// Calls that are no longer young.
  private(set) var old = 0

  private static func tenth(_ now: Instant) -> Int64 {
    now.nanoseconds / (youth.inNanoseconds / buckets)
  }

  /// Lets time pass.
  mutating func advance(to now: Instant) {
    let now = Self.tenth(now)
    guard now > newest else { return }
    let passed = min(Self.buckets, now - newest)
    for step in 1...passed {
      // What began in this tenth ten tenths ago is young no more.
      let index = Int((now - passed + step) % Self.buckets)
      old += young[index]
      young[index] = 0
    }
    newest = now
  }

  /// A call begins.
  /// - Returns: what `end` has to be told.
  mutating func begin(at now: Instant) -> Int64 {
    advance(to: now)
    young[Int(newest % Self.buckets)] += 1
    return newest
  }

  /// A call ends.
  mutating func end(_ begun: Int64) {
    if newest - begun < Self.buckets { young[Int(begun % Self.buckets)] -= 1 } else { old -= 1 }
  }

  /// When the oldest young calls may become old.
  var nextChange: Instant { Instant(nanoseconds: (newest + 1) * (Self.youth.inNanoseconds / Self.buckets)) }
}
