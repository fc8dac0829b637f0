import Testing
import Values

@Suite struct SaturationTests {
  @Test func sumsAndProductsEndAtTheTypesEnds() {
    #expect(Int64.max.adding(saturating: 1) == .max && Int64.min.adding(saturating: -1) == .min)
    #expect(Int64(2).adding(saturating: 3) == 5)
    #expect(Int64.min.subtracting(saturating: 1) == .min && Int64.max.subtracting(saturating: -1) == .max)
    #expect(Int64(2).subtracting(saturating: 3) == -1 && UInt8(2).subtracting(saturating: 3) == 0)
    #expect(Int64.max.multiplied(saturating: 2) == .max && Int64.min.multiplied(saturating: 2) == .min)
    #expect(Int64.min.multiplied(saturating: -1) == .max && Int64(-3).multiplied(saturating: 4) == -12)
  }

  @Test(arguments: [
    (Double.infinity, Int64.max), (-.infinity, .min), (.nan, 0), (1e300, .max), (-1e300, .min), (-2.9, -2),
    (9.3e18, .max), (-9.3e18, .min),
  ])
  func everyDoubleHasAnInteger(number: Double, expected: Int64) {
    #expect(Int64(saturating: number) == expected)
  }

  @Test func timesSaturate() {
    let end = Timestamp(microseconds: .max)
    #expect(end + .seconds(1) == end && (Timestamp(microseconds: .min) + .seconds(-1)).microseconds == .min)
    #expect(end.description == "9999-12-31T23:59:59.999999Z")
    #expect(Instant.distantFuture + .seconds(1) == .distantFuture)
    #expect((Instant(nanoseconds: .min) - .seconds(1)).nanoseconds == .min)
    #expect(Instant(nanoseconds: .max) - Instant(nanoseconds: .min) == .nanoseconds(Int64.max))
  }
}
