internal import CLinux
internal import Synchronization

/// Settings of glibc's allocator for returning memory to the system.
public enum ProcessMemory {
  /// From this size on, bytes, a block is mapped on its own.
  private static let largeBlock: Int32 = 128 << 10

  /// Makes glibc return each large block to the system when it is freed. Called once, when a program begins.
  ///
  /// By itself glibc raises the size from which it maps blocks to that of the largest one freed, up to 32 MiB
  /// (mallopt(3), M_MMAP_THRESHOLD). After one burst of large messages their memory would then stay with the process
  /// for ever.
  public static func returnLargeBlocks() {
    mallopt(M_MMAP_THRESHOLD, largeBlock)
    mallopt(M_TRIM_THRESHOLD, largeBlock)
  }

  /// From this many free bytes in the heaps on they are given back: an allocator that has to ask for them again costs
  /// more than fewer do.
  private static let muchMemory = 4 << 20

  /// The free bytes of which the system has had its pages back: glibc counts them as free all the same.
  private static let returned = Atomic(0)

  /// Gives back to the system what a burst has left free inside the heaps, once that is much more than it has got back
  /// already; takes some milliseconds then, and microseconds otherwise. To be called every few seconds, by one thread.
  public static func giveBack() {
    let free = Int(clamping: mallinfo2().fordblks)
    let known = min(free, returned.load(ordering: .relaxed))
    guard free - known >= muchMemory else { return returned.store(known, ordering: .relaxed) }
    malloc_trim(0)
    returned.store(Int(clamping: mallinfo2().fordblks), ordering: .relaxed)
  }
}
