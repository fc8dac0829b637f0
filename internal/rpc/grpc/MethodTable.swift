internal import Metrics

/// A method as it is served: its definition with the instruments of its metrics, found once.
final class RegisteredMethod: Sendable {
  let definition: MethodDefinition
  let metrics: MethodMetrics
  let path: [UInt8]

  init(_ definition: MethodDefinition, _ metrics: MethodMetrics) {
    self.definition = definition
    self.metrics = metrics
    path = Array(definition.path.utf8)
  }
}

/// Finds methods by the bytes of `:path`, without making a string. Never changes once made.
struct MethodTable: Sendable {
  private var slots: [RegisteredMethod?]
  private let mask: Int
  let unknown: RegisteredMethod

  /// - Parameter unknown: stands for every path that is not served, in metrics too.
  init(_ methods: [RegisteredMethod], unknown: RegisteredMethod) {
    var size = 16
    while size < methods.count * 4 { size *= 2 }
    mask = size - 1
    slots = Array(repeating: nil, count: size)
    self.unknown = unknown
    for method in methods {
      var slot = Self.hash(method.path[...]) & mask
      while slots[slot] != nil { slot = (slot + 1) & mask }
      slots[slot] = method
    }
  }

  func find(_ path: ArraySlice<UInt8>) -> RegisteredMethod? {
    var slot = Self.hash(path) & mask
    while let method = slots[slot] {
      if method.path[...] == path { return method }
      slot = (slot + 1) & mask
    }
    return nil
  }

  /// Eight bytes at a time, multiply and fold: paths come from strangers, but the table only holds ours.
  private static func hash(_ path: ArraySlice<UInt8>) -> Int {
    path.withUnsafeBytes { bytes in
      var hash = UInt64(bytes.count) &* 0x9E37_79B9_7F4A_7C15
      var offset = 0
      while offset + 8 <= bytes.count {
        hash = (hash ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) &* 0xFF51_AFD7_ED55_8CCD
        hash ^= hash >> 32
        offset += 8
      }
      while offset < bytes.count {
        hash = (hash ^ UInt64(bytes[offset])) &* 0x0000_0100_0000_01B3
        offset += 1
      }
      return Int(truncatingIfNeeded: hash ^ hash >> 29)
    }
  }
}
