internal import Values

/// The parts of forms. A field that is wrong says so beside itself, to everybody.
struct FormView {
  let words: Words
  /// The form's name on its page.
  let id: String
  /// Where it goes.
  let path: String
  /// The visit's token.
  let token: String
  /// The name of this wish: the same form sent twice has one effect.
  var key = UniqueID.random().description
  /// What was typed, to be shown again; never a secret field.
  var values: [String: String] = [:]
  /// What is wrong.
  var fault: PageFault?

  /// The form around its fields.
  /// - Parameters:
  ///   - stays: whether the script sends it and stays on the page.
  ///   - isInline: whether the fields stand beside each other.
  func form(stays: Bool = false, isInline: Bool = false, _ fields: HTML) -> HTML {
    let async: HTML = stays ? " data-stays" : .nothing
    let style: HTML = isInline ? "form inline" : "form"
    return """
      <form id="\(id)" class="\(style)" method="post" action="\(path)"\(async) novalidate>
      \(summary)
      <input type="hidden" name="csrf" value="\(token)">
      <input type="hidden" name="key" value="\(key)">
      \(fields)
      </form>
      """
  }

  /// What is wrong, before the fields: screen readers read it first.
  private var summary: HTML {
    let text = fault.map { words.problem($0.code, $0.detail) } ?? ""
    let label = fault?.field == nil ? text : words("Please correct the marked field.", "Исправьте отмеченное поле.")
    let shown: HTML = fault == nil ? " hidden" : .nothing
    return "<p class=\"problem\" id=\"\(id)-problem\" data-fault role=\"alert\"\(shown)>\(label)</p>"
  }

  /// A field with its label.
  /// - Parameters:
  ///   - attributes: of the input, such as its type.
  ///   - isSecret: whether nothing that was typed is shown again.
  func field(
    _ name: String, _ label: String, _ attributes: HTML = .nothing, hint: String = "", isSecret: Bool = false
  ) -> HTML {
    let value: HTML = isSecret ? .nothing : values[name].map { " value=\"\($0)\"" } ?? .nothing
    let help: HTML = hint.isEmpty ? .nothing : "<small id=\"\(id)-\(name)-hint\">\(hint)</small>"
    let describes: HTML =
      hint.isEmpty ? "\(id)-\(name)-fault" : "\(id)-\(name)-hint \(id)-\(name)-fault"
    return """
      <div class="field"><label for="\(id)-\(name)">\(label)</label>\
      <input id="\(id)-\(name)" name="\(name)"\(value)\(invalid(name)) aria-describedby="\(describes)" \(attributes)>\
      \(help)\(complaint(name))</div>
      """
  }

  /// A choice among values.
  func choice(_ name: String, _ label: String, _ choices: [(value: String, label: String)]) -> HTML {
    let options = choices.map { choice -> HTML in
      let mark: HTML = values[name] == choice.value ? " selected" : .nothing
      return "<option value=\"\(choice.value)\"\(mark)>\(choice.label)</option>"
    }
    return """
      <div class="field"><label for="\(id)-\(name)">\(label)</label>\
      <select id="\(id)-\(name)" name="\(name)"\(invalid(name)) aria-describedby="\(id)-\(name)-fault">\(options)\
      </select>\(complaint(name))</div>
      """
  }

  /// What is wrong with a field.
  func complaint(_ name: String) -> HTML {
    let text = fault?.field == name ? fault.map { words.problem($0.code, $0.detail) } ?? "" : ""
    return "<p class=\"fault\" id=\"\(id)-\(name)-fault\" data-fault>\(text)</p>"
  }

  private func invalid(_ name: String) -> HTML { fault?.field == name ? " aria-invalid=\"true\"" : .nothing }

  /// The button that sends the form.
  /// - Parameter name: the field that says which button was pressed, with its value.
  func button(_ label: String, _ style: HTML = "primary", sends pair: (name: String, value: String)? = nil) -> HTML {
    let sent: HTML = pair.map { " name=\"\($0.name)\" value=\"\($0.value)\"" } ?? .nothing
    return "<button type=\"submit\" class=\"\(style)\"\(sent)>\(label)</button>"
  }
}
