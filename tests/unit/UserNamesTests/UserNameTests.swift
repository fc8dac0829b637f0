import Testing
import UserNames
import Values

@Suite struct UserNameTests {
  /// By Python: uuid.uuid5(uuid.UUID("b0f1e6a4-5c0e-4f5d-9a3b-7d2c8e91f604"), name).
  @Test(arguments: [
    ("alice", "7edccd54-82e6-5584-bdea-dc379a302d15"),
    ("Иван", "a59b7a29-0279-52fc-94b2-c80122c56d7f"),
    ("\u{1F4B6}x", "4c26814f-925a-5092-b189-0382e43500a3"),
  ])
  func `a name is always the same user`(name: String, id: String) throws {
    #expect(NamedUser.id(named: name) == UniqueID(id))
    #expect(try #require(UserName(name)).userID == UniqueID(id))
  }

  @Test func `the namespace stays`() {
    #expect(NamedUser.namespace.description == "b0f1e6a4-5c0e-4f5d-9a3b-7d2c8e91f604")
  }

  @Test func `a name has 3 to 32 characters as Java counts them, none of them hidden`() {
    let fitting = ["abc", String(repeating: "я", count: 32), String(repeating: "\u{1F4B6}", count: 16), "a b"]
    for name in fitting { #expect(UserName(name)?.text == name) }
    let others = [
      "", "ab", "é", String(repeating: "x", count: 33), String(repeating: "\u{1F4B6}", count: 17), "a\nb", "a\0b",
      "ab\u{7F}", "ab\u{85}",
    ]
    for name in others { #expect(UserName(name) == nil) }
  }

  @Test func `names that only look alike are different users`() throws {
    let (composed, decomposed) = try (#require(UserName("caf\u{E9}")), #require(UserName("cafe\u{301}")))
    #expect(composed != decomposed)
    #expect(composed.userID != decomposed.userID)
  }
}
