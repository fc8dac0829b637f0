import Testing
import Values

@Suite("Times of RFC 3339, and ids that ascend with time")
struct TimeAndIDsTests {
  @Test(arguments: [
    ("2026-01-31T08:15:00Z", "2026-01-31T08:15:00.000000Z"), ("2026-01-31t08:15:00z", "2026-01-31T08:15:00.000000Z"),
    ("2026-01-31T08:15:00.25+01:00", "2026-01-31T07:15:00.250000Z"),
    ("2026-01-31T23:59:59.123456789-00:30", "2026-02-01T00:29:59.123456Z"),
    ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
  ])
  func `spellings are read`(text: String, moment: String) {
    #expect(Timestamp(text)?.description == moment)
  }

  @Test(arguments: [
    "", "2026-01-31", "2026-01-31 08:15:00Z", "2026-01-31T08:15:00", "2026-02-30T08:15:00Z", "2026-01-31T24:00:00Z",
    "2016-12-31T23:59:60Z", "2026-01-31T08:15:00.Z", "2026-01-31T08:15:00.0123456789Z", "2026-01-31T08:15:00+24:00",
    "2026-01-31T08:15:00+0100", "2026-01-31T08:15:00ZZ", "0001-01-01T00:00:00+01:00", "2026-01-31T08:15:00+1:000",
    "٢٠٢٦-01-31T08:15:00Z",
  ])
  func `anything else is no time`(text: String) {
    #expect(Timestamp(text) == nil)
  }

  @Test func `ids ascend with time`() {
    let moment = Timestamp("2026-11-26T12:00:00.123456Z")!
    let id = UniqueID.ordered(at: moment)
    #expect(id.high >> 16 == 1_795_694_400_123)
    #expect(id.high >> 12 & 0xF == 7 && id.low >> 62 == 2)
    #expect(UniqueID.lowest(at: moment) < id && id < UniqueID.lowest(at: moment + .milliseconds(1)))
    #expect(UniqueID.ordered(at: moment) != id)
    #expect(UniqueID.ordered(at: Timestamp(microseconds: .min)).high >> 16 == 0)
    #expect(UniqueID.ordered(at: Timestamp(microseconds: .max)).high >> 16 <= 1 << 48 - 1)
  }
}
