import Values

/// Records as a table for people: a head, then a line for each record, in columns. What is empty in all records has no
/// column. A record that is wider than the terminal takes several lines, and so does the head, so that nothing is left
/// out. Records that follow others of the same kind continue their table. Pure.
struct Table {
  private struct Column {
    let name: String
    var width: Int
    /// Whether all values are numbers, which stand at the right.
    var isNumeric: Bool
  }

  /// Between two columns.
  private static let gap = "  "

  private var columns: [Column] = []

  /// The lines of these records, a head before them where they need one.
  /// - Parameter width: the terminal's.
  mutating func lines(_ records: [Record], width: Int) -> [String] {
    let hasNews = take(records)
    let rows = records.map { record in
      let cells = Dictionary(record.cells, uniquingKeysWith: { first, _ in first })
      return row(columns.map { cells[$0.name] ?? "" }, width)
    }
    return (hasNews ? [row(columns.map { $0.name.uppercased() }, width)] : []).flatMap(\.self) + rows.flatMap(\.self)
  }

  /// Makes room for these records.
  /// - Returns: whether there are other columns than before.
  private mutating func take(_ records: [Record]) -> Bool {
    var found: [Column] = []
    for (name, text) in records.flatMap(\.cells) {
      let isNumeric = Int64(text) != nil
      if let index = found.firstIndex(where: { $0.name == name }) {
        found[index].width = max(found[index].width, text.count)
        found[index].isNumeric = found[index].isNumeric && isNumeric
      } else {
        found.append(Column(name: name, width: max(name.count, text.count), isNumeric: isNumeric))
      }
    }
    let isKnown = found.allSatisfy { column in columns.contains { $0.name == column.name } }
    guard isKnown, !columns.isEmpty else {
      columns = found
      return !found.isEmpty
    }
    for index in columns.indices {
      guard let more = found.first(where: { $0.name == columns[index].name }) else { continue }
      columns[index].width = max(columns[index].width, more.width)
      columns[index].isNumeric = columns[index].isNumeric && more.isNumeric
    }
    return false
  }

  /// A record, or the head: broken between columns where the next one does not fit.
  private func row(_ cells: [String], _ width: Int) -> [String] {
    var lines: [String] = []
    var line = ""
    for (column, cell) in zip(columns, cells) {
      let padding = String(repeating: " ", count: max(0, column.width - cell.count))
      let padded = column.isNumeric ? padding + cell : cell + padding
      if line.isEmpty {
        line = padded
      } else if line.count + Self.gap.count + column.width <= width {
        line += Self.gap + padded
      } else {
        lines.append(line)
        line = Self.gap + padded
      }
    }
    return (lines + [line]).map { line in
      var line = line
      while line.last == " " { line.removeLast() }
      return line
    }.filter { !$0.isEmpty }
  }
}

extension Record {
  /// What a table shows of it: names and values that are not empty. Times are cut to seconds.
  fileprivate var cells: [(String, String)] {
    fields.compactMap { field in
      switch field.value {
      case .time(let time): (field.name, "\(time.description.prefix(19))Z")
      default: Self.cell(field.value).map { (field.name, $0) }
      }
    }
  }
}
