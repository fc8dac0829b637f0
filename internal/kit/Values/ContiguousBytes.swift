extension Collection<UInt8> {
  /// Gives the bytes in one piece: these, where they lie in one, and a copy of them otherwise.
  ///
  /// A generic function is not specialized for callers in other modules: there each byte of a collection costs several
  /// calls through tables: comparing a statement of 10⁶ rows took 12.6 s of CPU that way and takes 5.1 in one piece. So
  /// what passes over bytes is written for a piece, and generic only around it.
  func withContiguousBytes<Answer, Fault: Error>(
    _ body: (UnsafeBufferPointer<UInt8>) throws(Fault) -> Answer
  ) throws(Fault) -> Answer {
    func result(_ piece: UnsafeBufferPointer<UInt8>) -> Result<Answer, Fault> {
      Result { () throws(Fault) in try body(piece) }
    }
    let answer = withContiguousStorageIfAvailable(result) ?? Array(self).withUnsafeBufferPointer(result)
    return try answer.get()
  }
}
