internal import Outbox
internal import Values

/// How the outboxes stand.
struct OutboxView {
  let words: Words

  func report(_ report: OutboxReport) -> HTML {
    let name = report.name
    let oldest = report.status.oldestWaiting.map { HTML.time($0) } ?? "–"
    return """
      <section aria-labelledby="\(name)">
      <h2 id="\(name)">\(name)</h2>
      <dl class="facts" id="\(name)-facts" data-part>
      <div><dt>\(words("Wait", "Ждут"))</dt><dd>\(report.status.waiting)</dd></div>
      <div><dt>\(words("Oldest since", "Старейшее с"))</dt><dd>\(oldest)</dd></div>
      <div><dt>\(words("Refused by the broker", "Отвергнуто брокером"))</dt><dd>\(report.status.dead)</dd></div>
      \(paused(report.paused))
      </dl>
      \(holdings(report))
      \(events(report.waiting, "\(name)-waiting", words("Oldest events that wait", "Старейшие из ждущих")))
      \(events(report.dead, "\(name)-dead", words("Refused events", "Отвергнутые события")))
      </section>
      """
  }

  private func paused(_ topics: [PausedTopic]) -> HTML {
    let names = topics.map { topic -> HTML in "<code>\(topic.topic)</code> " }
    return names.isEmpty
      ? .nothing : "<div><dt>\(words("Paused topics", "Остановленные топики"))</dt><dd>\(names)</dd></div>"
  }

  private func holdings(_ report: OutboxReport) -> HTML {
    let table = TableView(
      heads: [words("Relay", "Реле"), words("Shards", "Доли"), words("Lease until", "Аренда до")],
      id: "\(report.name)-shards", heading: report.name)
    let rows = report.holdings.map { holding in
      table.row(
        holding.owner ?? "-",
        [
          holding.owner.map { "<code>\($0)</code>" } ?? "\(words("nobody", "никто"))", "\(holding.shards)",
          holding.reservedTo.map { HTML.time($0) } ?? "–",
        ])
    }
    return table.table(rows)
  }

  private func events(_ events: [EventSummary], _ id: String, _ heading: String) -> HTML {
    // The place of the part is kept, so that the script can fill it later.
    guard !events.isEmpty else { return "<div id=\"\(id)\" data-part></div>" }
    let rows = events.map { event -> HTML in
      let error = event.lastError.map { error -> HTML in " <small>\(error)</small>" }
      return """
        <li>\(HTML.time(event.createdAt)) <code>\(event.topic)</code> <code>\(event.key)</code> #\(event.sequence)\
        \(error.orNothing)</li>
        """
    }
    return "<div id=\"\(id)\" data-part><h3>\(heading)</h3><ul class=\"events\">\(rows)</ul></div>"
  }
}
