internal import CLinux

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

  /// Gives back what is free inside the heaps; takes some milliseconds when that is much. Callable on any thread.
  public static func trim() { malloc_trim(0) }
}
