internal import Glibc

/// The limit on open files and sockets of this process (RLIMIT_NOFILE).
public enum DescriptorLimit {
  /// Raises the soft limit to the hard one. For the start of a program.
  /// - Returns: the limit that holds now.
  public static func raise() -> Int {
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    var limit = rlimit()
    guard getrlimit(resource, &limit) == 0 else { return 1_024 }  // the least that Linux gives
    let soft = limit.rlim_cur
    limit.rlim_cur = limit.rlim_max
    return Int(clamping: setrlimit(resource, &limit) == 0 ? limit.rlim_max : soft)
  }
}
