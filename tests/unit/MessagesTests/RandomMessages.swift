import Protobuf
import Randomness

/// Random messages of every type, the same ones for the same seed.
///
/// They are made through the wire: random fields with plausible numbers, wire types and contents are read, and what the
/// codec refuses is thrown away. So no list of fields has to be kept here.
struct RandomMessages: RandomNumberGenerator {
  private var generator: SplitMix64

  init(seed: UInt64) { generator = SplitMix64(seed: seed) }

  mutating func next() -> UInt64 { generator.next() }

  /// A message of this type with some of its fields set.
  mutating func message(_ type: any ProtobufNamedMessage.Type) -> any ProtobufNamedMessage {
    var accepted: [UInt8] = []
    for _ in 0..<Int.random(in: 1...24, using: &self) {
      let attempt = accepted + field(depth: 0)
      if (try? type.init(serialized: attempt)) != nil { accepted = attempt }
    }
    return (try? type.init(serialized: accepted)) ?? type.init()
  }

  /// `bytes` with some of them changed, removed, inserted or repeated.
  mutating func damage(_ bytes: [UInt8]) -> [UInt8] {
    var damaged = bytes
    for _ in 0..<Int.random(in: 1...3, using: &self) {
      let place = Int.random(in: 0...damaged.count, using: &self)
      switch Int.random(in: 0..<6, using: &self) {
      case 0 where place < damaged.count: damaged[place] = .random(in: 0...255, using: &self)
      case 1 where place < damaged.count: damaged.remove(at: place)
      case 2: damaged.insert(.random(in: 0...255, using: &self), at: place)
      case 3: damaged.removeLast(damaged.count - place)
      case 4: damaged.insert(contentsOf: field(depth: 0), at: place)
      default: damaged += damaged.prefix(place)
      }
    }
    return damaged
  }

  private mutating func field(depth: Int) -> [UInt8] {
    var writer = ProtobufWriter()
    let number = UInt32.random(in: 1...(depth == 0 ? 27 : 10), using: &self)
    switch Int.random(in: 0..<8, using: &self) {
    // No NaN with a payload: Google's Python reads each as the one NaN.
    case 0:
      let bits = UInt32(truncatingIfNeeded: next())
      writer.writeFixed32(Float(bitPattern: bits).isNaN ? 1 : bits, field: number)
    case 1:
      let bits = next()
      writer.writeFixed64(Double(bitPattern: bits).isNaN ? 1 : bits, field: number)
    case 2, 3: writer.writeUInt64(next() >> UInt64.random(in: 0..<64, using: &self), field: number)
    case 4, 5: writer.writeString(text(), field: number)
    default:
      var nested: [UInt8] = []
      if depth < 3 {
        for _ in 0..<Int.random(in: 0...4, using: &self) { nested += field(depth: depth + 1) }
      }
      writer.writeBytes(nested, field: number, evenIfDefault: true)
    }
    return writer.bytes
  }

  private mutating func text() -> String {
    let alphabet: [Character] = ["a", "Z", "/", "\0", "é", "ж", "漢", "😀"]
    let count = [1, 3, 20, 150].randomElement(using: &self) ?? 1
    return String((0..<count).map { _ in alphabet.randomElement(using: &self) ?? "a" })
  }
}
