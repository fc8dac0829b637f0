/// Finds what somebody probably meant.
public enum Spelling {
  /// The candidate with the fewest changes of a letter to `word`, whatever their case; nil when even that one is too
  /// far off.
  public static func nearest(to word: String, among candidates: [String]) -> String? {
    let upper = word.uppercased()
    // A difference in length alone may be too far; most candidates need no closer look.
    let near = candidates.filter { abs($0.utf8.count - upper.utf8.count) <= reach(of: $0) }
    let scored = near.map { (name: $0, distance: distance(upper, $0.uppercased())) }
    guard let best = scored.min(by: { $0.distance < $1.distance }) else { return nil }
    return best.distance <= reach(of: best.name) ? best.name : nil
  }

  /// Maximum number of changes at which a word still means `name`.
  private static func reach(of name: String) -> Int { max(2, name.utf8.count / 3) }

  /// Number of letters to insert, remove, replace or swap with their neighbour.
  static func distance(_ left: String, _ right: String) -> Int {
    let (left, right) = (Array(left.utf8.prefix(100)), Array(right.utf8.prefix(100)))
    var beforeLast: [Int] = []
    var last = Array(0...right.count)
    for (row, a) in left.enumerated() {
      var current = [row + 1]
      for (column, b) in right.enumerated() {
        var cost = min(last[column + 1] + 1, current[column] + 1, last[column] + (a == b ? 0 : 1))
        if row > 0, column > 0, a == right[column - 1], b == left[row - 1] {
          cost = min(cost, beforeLast[column - 1] + 1)
        }
        current.append(cost)
      }
      (beforeLast, last) = (last, current)
    }
    return last[right.count]
  }
}
