internal import Glibc

extension Timestamp {
  /// The local time of this machine without a zone, `2026-01-31T08:15:00.000250`. Readers that know the machine's zone
  /// only are older than we are; everybody else gets UTC. Callable on any thread.
  /// - Parameter decimals: whether the six decimals are there.
  public func localTime(decimals: Bool) -> String {
    let moment = clamped
    // The C library wants whole seconds, rounded down; those before 1970 are a second off at most, for the zone only.
    var seconds = time_t(moment.microseconds / 1_000_000)
    var local = tm()
    let offset = localtime_r(&seconds, &local) == nil ? 0 : local.tm_gmtoff
    let shifted = moment + .seconds(offset)
    return String(decoding: shifted.utf8Bytes.prefix(decimals ? 26 : 19), as: UTF8.self)
  }
}
