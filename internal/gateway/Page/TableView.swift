/// A table that becomes blocks of lines where the page is narrow. The roles keep it a table to screen readers then.
struct TableView {
  /// What stands above the columns.
  let heads: [String]
  /// The table's name, which the script knows its rows by.
  let id: String
  /// The heading that names the table.
  let heading: String

  /// The whole table; rows come from `row`.
  func table(_ rows: [HTML]) -> HTML {
    let cells = heads.map { head -> HTML in "<th role=\"columnheader\" scope=\"col\">\(head)</th>" }
    return """
      <table role="table" class="stack" aria-labelledby="\(heading)">
      <thead role="rowgroup"><tr role="row">\(cells)</tr></thead>
      <tbody role="rowgroup" id="\(id)" data-part data-rows>
      \(rows)
      </tbody></table>
      """
  }

  /// A row.
  /// - Parameters:
  ///   - key: by which the script knows the row again.
  ///   - saying: what a screen reader is told when the row has changed.
  func row(_ key: String, saying: String? = nil, _ cells: [HTML]) -> HTML {
    let say: HTML = saying.map { " data-say=\"\($0)\"" } ?? .nothing
    let shown = zip(heads, cells).map { head, cell -> HTML in
      "<td role=\"cell\" data-label=\"\(head)\"><div>\(cell)</div></td>"
    }
    return "<tr role=\"row\" data-key=\"\(key)\"\(say)>\(shown)</tr>\n"
  }
}
