internal import CLinux
internal import Glibc

/// Protections that a program sets up before anything else.
public enum ProcessProtection {
  /// For the first line of a program that holds secrets.
  ///
  /// - Descriptors 0 to 2 that are closed become `/dev/null`, or the log would be written into whatever is opened next.
  /// - No core file is written (RLIMIT_CORE), and no other process of this user may read our memory (PR_SET_DUMPABLE):
  ///   passwords and what calls are about lie there.
  public static func begin() {
    openStandardDescriptors()
    var limit = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
    _ = linux_set_dumpable(0)
  }

  private static func openStandardDescriptors() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) == -1 {
      // The lowest that is free is taken, which is this one.
      _ = open("/dev/null", descriptor == STDIN_FILENO ? O_RDONLY : O_WRONLY)
    }
  }
}
