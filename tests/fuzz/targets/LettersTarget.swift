import CLI
import Inbox
import Kafka
import TestSupport

/// A record of the dead-letter topic as any producer may write it, and the notes that a group's offsets carry: a letter
/// goes back as what it was or stays with a reason, a limited number of times, and shows nothing hidden.
///
/// The input is a record (`RecordInput`); its value is the note as well, its offset and time the note's offsets.
enum LettersTarget {
  private static let topic = "inventory"
  private static let partitions = 4
  private static let limit: Int64 = 3

  static func run(_ input: [UInt8]) throws(FuzzFinding) {
    let record = RecordInput(input, topic: "\(topic).dlq")
    let letter = DeadLetter(record.message)
    let revived = letter.revived(to: topic, partitions: partitions, token: 1)
    try check(revived, from: letter)
    // It dies again where it was put.
    var again = record.message
    again.headers = revived.headers + [RecordHeader(DeadLetterHeader.topic, topic)]
    let next = DeadLetter(again)
    try require(
      next.requeues == letter.requeues || next.requeues == letter.requeues + 1 && letter.requeues >= 0,
      "put back \(letter.requeues) times, it counts \(next.requeues)")
    try require(next.requeues > letter.requeues || letter.requeues == .max, "a letter that goes round is not counted")
    let mayGoOn = next.obstacle(topic: topic, limit: limit) == nil
    try require(mayGoOn == (next.requeues < limit), "after \(next.requeues) times it may go on: \(mayGoOn)")
    try checkShown(letter)
    try checkLedger(record)
  }

  private static func check(_ revived: ProducerRecord, from letter: DeadLetter) throws(FuzzFinding) {
    let message = letter.letter
    try require(revived.key == message.key && revived.value == message.value, "key or value has changed")
    let own = message.headers.filter { !DeadLetterHeader.ofOneDeath.contains($0.name) && $0.name != "dlq_requeues" }
    try require(Array(revived.headers.dropLast()) == own, "of the headers \(own) there are \(revived.headers)")
    try require(revived.headers.last?.name == DeadLetterHeader.requeues, "the last header is not the count")
    if let partition = revived.partition { try require((0..<4).contains(partition), "it goes to \(partition)") }
    if letter.obstacle(topic: topic, limit: limit) == nil {
      let origin = message.headers.last { $0.name == DeadLetterHeader.topic }?.value
      try require(origin.map { $0.elementsEqual(topic.utf8) } == true, "a letter from elsewhere is put back")
      try require(letter.requeues < limit, "it was put back \(letter.requeues) times")
    }
  }

  /// Controls, separators of lines, and marks of the bidirectional algorithm.
  private static let hidden: [ClosedRange<UInt32>] = [
    0...0x1F, 0x7F...0x9F, 0x61C...0x61C, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069,
  ]

  /// What a terminal and a program get to see.
  private static func checkShown(_ letter: DeadLetter) throws(FuzzFinding) {
    var json: [UInt8] = []
    letter.record.appendJSON(to: &json)
    do throws(FuzzFinding) {
      guard case .object? = try? JSONTree.read(json) else { throw FuzzFinding("its JSON is none") }
      for text in [json, Array(letter.record.line.utf8)] {
        let isVisible = String(decoding: text, as: UTF8.self).unicodeScalars.allSatisfy { scalar in
          !hidden.contains { $0.contains(scalar.value) }
        }
        try require(isVisible, "hidden characters are shown")
      }
    } catch {
      throw FuzzFinding("\(error): \(String(decoding: json, as: UTF8.self).debugDescription)")
    }
  }

  private static func checkLedger(_ record: RecordInput) throws(FuzzFinding) {
    let note = String(decoding: record.message.value ?? [], as: UTF8.self)
    // Offsets that a broker tells are not negative.
    let low = max(0, record.milliseconds)
    var ledger = RequeueLedger(next: max(0, record.message.offset), note: note, low: low)
    try require(ledger.next >= low, "what is gone is not done")
    for step in record.message.key?.prefix(8) ?? [] {
      // No offset of a record is the last number.
      let offset = ledger.next &+ Int64(step)
      if offset == .max { continue }
      let before = ledger
      let isNoted = ledger.markDone(offset)
      try require(isNoted ? ledger.isDone(offset) : ledger == before, "\(offset) marked in \(note): \(ledger.note)")
      for other in [offset &- 1, offset &+ 1, before.next, before.next &- 1] where other != offset && other != .max {
        try require(ledger.isDone(other) == before.isDone(other), "\(offset) marked in \(note) changes \(other)")
      }
      let read = RequeueLedger(next: ledger.next, note: ledger.note, low: ledger.next)
      try require(read == ledger, "the note \(ledger.note) reads \(read.note)")
    }
  }
}
