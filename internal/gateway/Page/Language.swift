/// A language of the pages.
enum Language: String, Sendable, Hashable {
  case english = "en"
  case russian = "ru"

  /// The one of ours that a browser likes best (`Accept-Language`, RFC 9110 section 12.5.4).
  /// - Parameter standard: for a browser that names neither.
  init(accepting header: String?, standard: Language) {
    var best: (language: Language, quality: Int)?
    for part in (header ?? "").split(separator: ",").prefix(32) {
      let pieces = part.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" } }
      guard let tag = pieces.first?.lowercased() else { continue }
      let primary = String(tag.prefix { $0 != "-" })
      let quality = pieces.dropFirst().first.map(Self.quality) ?? 1_000
      guard let language = primary == "*" ? standard : Language(rawValue: primary), quality > 0 else { continue }
      if quality > best?.quality ?? 0 { best = (language, quality) }
    }
    self = best?.language ?? standard
  }

  /// `q=0.8` in thousandths; 0 for what is none.
  private static func quality(_ text: String) -> Int {
    let halves = text.split(separator: "=", maxSplits: 1)
    guard halves.count == 2, halves[0].lowercased() == "q" else { return 0 }
    let digits = halves[1].split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard digits[0] == "0" || digits[0] == "1", digits.count == 1 || digits[1].utf8.count <= 3 else { return 0 }
    let decimals = digits.count == 2 ? String(digits[1]) : ""
    guard decimals.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return 0 }
    let thousandths = Int(decimals + String(repeating: "0", count: 3 - decimals.utf8.count)) ?? 0
    return min(1_000, (digits[0] == "1" ? 1_000 : 0) + thousandths)
  }
}

/// Says things in the reader's language. Both versions stand beside each other where they are used, so that neither is
/// forgotten.
struct Words: Sendable, Hashable {
  let language: Language

  func callAsFunction(_ english: String, _ russian: String) -> String {
    language == .english ? english : russian
  }
}
