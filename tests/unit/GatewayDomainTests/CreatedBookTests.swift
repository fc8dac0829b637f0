import GatewayDomain
import Testing
import Values

@Suite struct CreatedBookTests {
  private func id(_ number: Int) -> UniqueID { UniqueID(high: 1, low: UInt64(number)) }

  @Test func `each payment is looked at once, and those that are CREATED again and again`() {
    var book = CreatedBook()
    book.looked([(id(1), false), (id(2), true), (id(3), true), (id(4), false)])
    #expect(book.open == [id(2), id(3)] && book.last == id(4))
    book.remembered([id(3)])
    #expect(book.open == [id(3)])
    // One that was remembered and is not any more does not come back.
    book.remembered([id(2), id(3)])
    #expect(book.open == [id(3)])
  }

  /// The broker is away: everything is CREATED. The oldest ones are enough.
  @Test func `what there is no room for is looked at another time`() {
    var book = CreatedBook()
    book.looked((1...CreatedBook.most + 5).map { (id($0), true) })
    #expect(book.open.count == CreatedBook.most && !book.hasRoom && book.last == id(CreatedBook.most))
    book.remembered([])
    #expect(book.hasRoom)
    book.looked((CreatedBook.most + 1...CreatedBook.most + 5).map { (id($0), $0.isMultiple(of: 2)) })
    #expect(book.open.count == 2 && book.last == id(CreatedBook.most + 5))
  }
}
