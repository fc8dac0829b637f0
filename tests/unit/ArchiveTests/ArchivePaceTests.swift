import Testing
import Values

@testable import Archive

@Suite struct ArchivePaceTests {
  /// However fast or slow the database is, a batch comes to take about as long as it should.
  @Test(arguments: [Duration.microseconds(15), .microseconds(200), .milliseconds(2)])
  func `a batch comes to its time`(each: Duration) {
    var pace = ArchivePace()
    for _ in 1...40 { _ = pace.note(each * pace.size) }
    let time = each * pace.size
    #expect(time <= ArchivePace.aim * 2 || pace.size == 10)
    #expect(time >= ArchivePace.aim / 2 || pace.size == 500)
  }

  @Test func `most of the time is the others'`() {
    var pace = ArchivePace()
    #expect(pace.note(.milliseconds(12)) == .milliseconds(36))
    #expect(pace.note(.zero) == .milliseconds(1))
  }

  /// One batch that had to wait is not the measure of all.
  @Test func `a slow batch makes the next one smaller, and not the one after a fast one`() {
    var pace = ArchivePace()
    for _ in 1...40 { _ = pace.note(.milliseconds(1)) }
    #expect(pace.size == 500)
    _ = pace.note(.seconds(2))
    #expect(pace.size == 250)
    _ = pace.note(.milliseconds(1))
    #expect(pace.size == 312)
  }
}
