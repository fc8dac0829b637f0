/// The only source of chance here: SplitMix64 (Steele, Lea, Flood 2014). Equal seeds give equal runs on any machine.
public struct SplitMix64: RandomNumberGenerator {
  private var state: UInt64

  /// The numbers that follow from `seed`.
  public init(seed: UInt64) { state = seed }

  /// The next number.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// True with the probability `chance`.
  public mutating func roll(_ chance: Double) -> Bool {
    chance > 0 && Double(next() >> 11) < chance * 9_007_199_254_740_992
  }

  /// Uniform in `range`, by the remainder: the bias is of no interest here.
  public mutating func draw(_ range: ClosedRange<Int64>) -> Int64 {
    range.lowerBound + Int64(next() % UInt64(range.upperBound - range.lowerBound + 1))
  }

  /// Uniform in `range`.
  public mutating func draw(_ range: ClosedRange<Int>) -> Int {
    Int(draw(Int64(range.lowerBound)...Int64(range.upperBound)))
  }

  /// One of `choices`, which must not be empty.
  public mutating func pick<Element>(_ choices: [Element]) -> Element { choices[draw(0...choices.count - 1)] }
}
