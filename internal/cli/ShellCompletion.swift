/// The completion of `paysaga` in a shell, as a script that the shell reads. Made from the commands' usages.
struct ShellCompletion: Sendable {
  /// A shell that is known.
  enum Shell: String, CaseIterable, Sendable { case bash, zsh, fish }

  private let commands: [Usage]

  init(_ commands: [Usage]) { self.commands = commands }

  func script(for shell: Shell) -> String {
    switch shell {
    case .bash: bash
    case .zsh: zsh
    case .fish: fish
    }
  }

  // MARK: - What may come next

  /// A place on the command line: after these words, options aside.
  private struct Place {
    let words: [String]
    /// What may follow as a word, with what it is for.
    var next: [(word: String, summary: String)] = []
    var options: [Option] = Option.global
  }

  /// The empty line, each group, each command.
  private var places: [Place] {
    var places: [Place] = []
    var paths: Set<[String]> = []
    for words in [[]] + commands.flatMap({ [[$0.words[0]], $0.words] }) where paths.insert(words).inserted {
      var place = Place(words: words)
      if let command = commands.first(where: { $0.words == words }) { place.options = command.allOptions }
      var seen: Set<String> = []
      for below in commands where below.words.count > words.count && below.words.starts(with: words) {
        let word = below.words[words.count]
        guard seen.insert(word).inserted else { continue }
        let isCommand = below.words.count == words.count + 1
        let others = commands.filter { $0.words.first == word }.map { $0.words.dropFirst().joined() }
        place.next.append((word, isCommand ? below.summary : others.joined(separator: ", ")))
      }
      places.append(place)
    }
    return places
  }

  // MARK: - bash

  private var bash: String {
    // The longest place first: a shorter one begins longer lines, too.
    let cases = places.sorted { $0.words.count > $1.words.count }.map { place in
      let path = place.words.joined(separator: " ")
      let pattern = place.words.isEmpty ? "*" : "\"\(path)\" | \"\(path) \"*"
      return """
            \(pattern))
              next=\(Self.quoted(place.next.map(\.word).joined(separator: " ")))
              options=\(Self.quoted(place.options.map(\.name).joined(separator: " ")))
              ;;
        """
    }
    let valued = Set(commands.flatMap(\.options).filter { $0.value != nil }.map(\.name) + ["--config"]).sorted()
    return """
      # bash completion of paysaga; source it, or put it in /usr/share/bash-completion/completions/paysaga.
      _paysaga() {
        local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} line='' next options index
        case $before in
          \(valued.joined(separator: " | ")))
            # The value of an option: a file, perhaps.
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return
            ;;
        esac
        for ((index = 1; index < COMP_CWORD; index++)); do
          case ${COMP_WORDS[index]} in
            -*) ;;
            *) line+="${line:+ }${COMP_WORDS[index]}" ;;
          esac
        done
        case $line in
      \(cases.joined(separator: "\n"))
        esac
        case $current in
          -*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current") ;;
          *) mapfile -t COMPREPLY < <(compgen -W "$next" -- "$current") ;;
        esac
      }
      complete -F _paysaga paysaga
      """
  }

  // MARK: - zsh

  private var zsh: String {
    let cases = places.sorted { $0.words.count > $1.words.count }.map { place in
      let path = place.words.joined(separator: " ")
      let pattern = place.words.isEmpty ? "*" : "'\(path)'|'\(path) '*"
      let next = place.next.map { Self.quoted("\(Self.withoutColons($0.word)):\($0.summary)") }
      let options = place.options.map { Self.quoted("\($0.name):\($0.summary)") }
      return """
            \(pattern))
              next=(\(next.joined(separator: " ")))
              options=(\(options.joined(separator: " ")))
              ;;
        """
    }
    return """
      #compdef paysaga
      # zsh completion of paysaga; put it as _paysaga in a directory of $fpath.
      _paysaga() {
        local line='' word
        local -a next options
        for word in ${words[2,CURRENT-1]}; do
          [[ $word == -* ]] || line+="${line:+ }$word"
        done
        case $line in
      \(cases.joined(separator: "\n"))
        esac
        if [[ $PREFIX == -* ]]; then
          _describe -o option options
        elif (( ${#next} )); then
          _describe command next
        else
          _files
        fi
      }
      if [[ $funcstack[1] == _paysaga ]]; then _paysaga "$@"; else compdef _paysaga paysaga; fi
      """
  }

  // MARK: - fish

  private var fish: String {
    var lines = [
      "# fish completion of paysaga; put it in ~/.config/fish/completions/paysaga.fish.",
      "function __paysaga_at",
      "  # The words before the one that is written, options aside, are these.",
      "  set -l line (string match --invert -- '-*' (commandline -opc)[2..])",
      "  test \"$line\" = \"$argv\"",
      "end",
      "complete -c paysaga -f",
    ]
    for place in places {
      let condition = "'__paysaga_at \(place.words.joined(separator: " "))'"
      for (word, summary) in place.next {
        lines.append("complete -c paysaga -n \(condition) -a \(word) -d \(Self.quoted(summary))")
      }
      // Options of a command come after its operands, too.
      let after = place.words.isEmpty ? condition : "'__paysaga_in \(place.words.joined(separator: " "))'"
      for option in place.options where !place.words.isEmpty || place.options.count == Option.global.count {
        let value = option.value == nil ? "" : " -r"
        lines.append(
          "complete -c paysaga -n \(after) -l \(option.name.dropFirst(2))\(value) -d \(Self.quoted(option.summary))")
      }
    }
    lines.insert(
      contentsOf: [
        "function __paysaga_in",
        "  # They begin with these.",
        "  set -l line (string match --invert -- '-*' (commandline -opc)[2..])",
        "  test (count $line) -ge (count $argv); and test \"$line[1..\"(count $argv)\"]\" = \"$argv\"",
        "end",
      ], at: 6)
    return lines.joined(separator: "\n")
  }

  // MARK: - Text for shells

  /// In single quotes, which a shell reads as it is.
  private static func quoted(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }

  private static func withoutColons(_ text: String) -> String {
    text.split(separator: ":", omittingEmptySubsequences: false).joined(separator: "\\:")
  }
}
