import Testing

@testable import Service

@Suite struct FileChangesTests {
  private var changes = FileChanges("old")

  @Test mutating func `files are read once they have changed and rested`() {
    let outcomes = ["old", "half", "new", "new", "new"].map { changes.look($0) }
    #expect(outcomes == [false, false, false, true, false])
  }

  @Test mutating func `files that were read meanwhile are not read again`() {
    _ = changes.look("new")
    changes.wereRead("new")
    let isRead = changes.look("new")
    #expect(!isRead)
  }

  @Test mutating func `a change that was taken back is none`() {
    let outcomes = ["new", "old", "old"].map { changes.look($0) }
    #expect(outcomes == [false, false, false])
  }
}
