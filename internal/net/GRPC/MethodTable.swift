internal import Glibc
internal import Metrics

/// A method as it is served: its definition with the instruments of its metrics, found once.
final class RegisteredMethod: Sendable {
  let definition: MethodDefinition
  let metrics: MethodMetrics
  let path: [UInt8]
  let kind: ServerCallState.Kind
  /// The longest request message, bytes.
  let maxRequestSize: Int
  /// Whether it is one of gRPC's own services: health checks and reflection.
  let isOfGRPC: Bool

  /// - Parameter maxRequestSize: the server's limit; the method may have a lower one.
  init(_ definition: MethodDefinition, _ metrics: MethodMetrics, maxRequestSize: Int) {
    self.maxRequestSize = min(maxRequestSize, definition.maxRequestSize)
    self.definition = definition
    self.metrics = metrics
    path = Array(definition.path.utf8)
    kind = definition.kind
    isOfGRPC = definition.path.hasPrefix("/grpc.")
  }
}

/// Finds methods by the bytes of `:path`, without making a string. Never changes once made.
///
/// A class, so that a call that looks here touches one reference count at most.
final class MethodTable: Sendable {
  private let slots: [RegisteredMethod?]
  private let mask: Int
  let unknown: RegisteredMethod

  /// - Parameter unknown: stands for every path that is not served, in metrics too.
  init(_ methods: [RegisteredMethod], unknown: RegisteredMethod) {
    var size = 16
    while size < methods.count * 4 { size *= 2 }
    mask = size - 1
    var slots: [RegisteredMethod?] = Array(repeating: nil, count: size)
    self.unknown = unknown
    for method in methods {
      var slot = method.path.withUnsafeBytes(Self.hash) & mask
      while slots[slot] != nil { slot = (slot + 1) & mask }
      slots[slot] = method
    }
    self.slots = slots
  }

  func find(_ path: UnsafeRawBufferPointer) -> RegisteredMethod? {
    var slot = Self.hash(path) & mask
    while let method = slots[slot] {
      let isSame = method.path.withUnsafeBytes { known in
        // A registered path is never empty.
        known.count == path.count && memcmp(known.baseAddress!, path.baseAddress!, path.count) == 0
      }
      if isSame { return method }
      slot = (slot + 1) & mask
    }
    return nil
  }

  /// Eight bytes at a time, multiply and fold: paths come from strangers, but the table only holds ours. The last eight
  /// bytes are taken whole, some of them for the second time.
  private static func hash(_ path: UnsafeRawBufferPointer) -> Int {
    var hash = UInt64(path.count) &* 0x9E37_79B9_7F4A_7C15
    guard path.count >= 8 else {
      for byte in path { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
      return Int(truncatingIfNeeded: hash ^ hash >> 29)
    }
    var offset = 0
    while offset < path.count {
      let start = min(offset, path.count - 8)
      hash = (hash ^ path.loadUnaligned(fromByteOffset: start, as: UInt64.self)) &* 0xFF51_AFD7_ED55_8CCD
      hash ^= hash >> 32
      offset += 8
    }
    return Int(truncatingIfNeeded: hash ^ hash >> 29)
  }
}
