internal import Glibc

extension MetricsRegistry {
  /// Registers what every program tells of itself, under Prometheus' standard names: memory, CPU time, start time,
  /// open files, and the build. All but the last are read from `/proc/self` when they are asked for.
  public func registerProcess(program: String, version: String) {
    gauge("process_resident_memory_bytes", help: "Resident memory in bytes.") { ProcessStatus.residentBytes() }
    counter("process_cpu_seconds_total", help: "User and system CPU time in seconds.") { ProcessStatus.cpuSeconds() }
    let start = ProcessStatus.startSeconds()
    gauge("process_start_time_seconds", help: "Start of the process in seconds since 1970.") { start }
    gauge("process_open_fds", help: "Open file descriptors.") { ProcessStatus.openDescriptors() }
    gauge("process_max_fds", help: "Most file descriptors that may be open.") { ProcessStatus.maximumDescriptors() }
    gauge("build_info", help: "Always 1; the labels tell the build.", labels: ["program": program, "version": version])
      .set(1)
  }
}

/// Figures of this process from proc(5); nil where Linux has none.
enum ProcessStatus {
  static func residentBytes() -> Double? {
    guard let pages = fields("/proc/self/statm").dropFirst().first.flatMap({ Double($0) }) else { return nil }
    return pages * Double(sysconf(Int32(_SC_PAGESIZE)))
  }

  static func cpuSeconds() -> Double? {
    var usage = rusage()
    guard getrusage(RUSAGE_SELF.rawValue, &usage) == 0 else { return nil }
    let micros = usage.ru_utime.tv_usec + usage.ru_stime.tv_usec
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + Double(micros) / 1e6
  }

  /// Boot time plus the ticks of `starttime`, field 22 of `/proc/self/stat`.
  static func startSeconds() -> Double? {
    // The command's name in parentheses may hold spaces: count from behind it.
    guard let end = text("/proc/self/stat")?.split(separator: ")").last,
      let ticks = end.split(separator: " ").dropFirst(19).first.flatMap({ Double($0) }),
      let row = text("/proc/stat")?.split(separator: "\n").first(where: { $0.hasPrefix("btime ") }),
      let boot = Double(row.dropFirst(6))
    else { return nil }
    return boot + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  static func openDescriptors() -> Double? {
    guard let directory = opendir("/proc/self/fd") else { return nil }
    defer { closedir(directory) }
    // Not counted: ".", ".." and the descriptor that reads the directory.
    var count = -3
    while readdir(directory) != nil { count += 1 }
    return Double(count)
  }

  static func maximumDescriptors() -> Double? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
    return Double(limit.rlim_cur)
  }

  private static func fields(_ path: String) -> [Substring] {
    text(path)?.split { $0 == " " || $0 == "\n" } ?? []
  }

  /// The first 64 KiB of a file of `/proc`.
  private static func text(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4_096)
    while bytes.count < 65_536 {
      let count = read(descriptor, &chunk, chunk.count)
      guard count > 0 else { break }
      bytes += chunk[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
