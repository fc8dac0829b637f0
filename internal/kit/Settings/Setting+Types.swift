public import Values

/// The types of settings: each makes a table row that checks a text and stores the value.
extension Setting {
  private init(
    _ name: String, _ allowed: String, secrecy: SettingSecrecy = .open, _ standard: Default, _ usedBy: [Program],
    _ summary: String, read: @escaping @Sendable (String, inout Root) -> String?
  ) {
    self.init(
      name: name, allowed: allowed, summary: summary, usedBy: usedBy, secrecy: secrecy, standard: standard,
      read: read)
  }

  /// An integer in decimal digits, without a sign.
  public static func integer(
    _ name: String, _ path: Path<Int>, _ range: ClosedRange<Int>, _ standard: Default, _ usedBy: [Program],
    _ summary: String
  ) -> Setting {
    let allowed = "an integer from \(range.lowerBound) to \(range.upperBound)"
    return Setting(name, allowed, standard, usedBy, summary) { text, settings in
      guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = Int(text), range.contains(value) else {
        return "expected \(allowed)"
      }
      settings[keyPath: path] = value
      return nil
    }
  }

  /// `true` or `false`; 1 and 0 are accepted too.
  public static func boolean(
    _ name: String, _ path: Path<Bool>, _ standard: Default, _ usedBy: [Program], _ summary: String
  ) -> Setting {
    Setting(name, "true or false", standard, usedBy, summary) { text, settings in
      switch text {
      case "true", "1": settings[keyPath: path] = true
      case "false", "0": settings[keyPath: path] = false
      default: return "expected true or false"
      }
      return nil
    }
  }

  /// A duration such as `500ms`, `10s` or `1h30m` (`DurationText`).
  public static func duration(
    _ name: String, _ path: Path<Duration>, _ range: ClosedRange<Duration>, _ standard: Default, _ usedBy: [Program],
    _ summary: String
  ) -> Setting {
    let allowed = words(for: range)
    return Setting(name, allowed, standard, usedBy, summary) { text, settings in
      guard let value = DurationText.parse(text), range.contains(value) else {
        return "expected \(allowed), written like 500ms, 10s or 1h30m"
      }
      settings[keyPath: path] = value
      return nil
    }
  }

  /// A duration or 0 for never, which is stored as nil.
  public static func durationOrNever(
    _ name: String, _ path: Path<Duration?>, _ range: ClosedRange<Duration>, _ standard: Default, _ usedBy: [Program],
    _ summary: String
  ) -> Setting {
    let allowed = "\(words(for: range)), or 0 for never"
    return Setting(name, allowed, standard, usedBy, summary) { text, settings in
      guard let value = DurationText.parse(text), value == .zero || range.contains(value) else {
        return "expected \(allowed), written like 10s, 24h or 7d"
      }
      settings[keyPath: path] = value == .zero ? nil : value
      return nil
    }
  }

  private static func words(for range: ClosedRange<Duration>) -> String {
    "a duration from \(DurationText.format(range.lowerBound)) to \(DurationText.format(range.upperBound))"
  }

  /// A duration of whole days.
  public static func days(
    _ name: String, _ path: Path<Int>, _ range: ClosedRange<Int>, _ standard: Default, _ usedBy: [Program],
    _ summary: String
  ) -> Setting {
    let allowed = "a duration of whole days from \(range.lowerBound)d to \(range.upperBound)d"
    return Setting(name, allowed, standard, usedBy, summary) { text, settings in
      let day: Int64 = 86_400_000_000_000
      guard let value = DurationText.parse(text)?.inNanoseconds, value % day == 0, range.contains(Int(value / day))
      else { return "expected \(allowed), written like 7d or 168h" }
      settings[keyPath: path] = Int(value / day)
      return nil
    }
  }

  /// One of some words, each of which stands for a value.
  public static func choice<Value: Sendable>(
    _ name: String, _ path: Path<Value>, _ values: KeyValuePairs<String, Value>, _ standard: Default,
    _ usedBy: [Program], _ summary: String
  ) -> Setting {
    choice(name, path, words: values.map { ($0.key, $0.value) }, standard, usedBy, summary)
  }

  /// One of the words that an enumeration's cases are written with.
  public static func choice<Value: RawRepresentable<String> & CaseIterable & Sendable>(
    _ name: String, _ path: Path<Value>, _ standard: Default, _ usedBy: [Program], _ summary: String
  ) -> Setting {
    choice(name, path, words: Value.allCases.map { ($0.rawValue, $0) }, standard, usedBy, summary)
  }

  private static func choice<Value: Sendable>(
    _ name: String, _ path: Path<Value>, words: [(word: String, value: Value)], _ standard: Default,
    _ usedBy: [Program], _ summary: String
  ) -> Setting {
    let allowed = "one of \(words.map(\.word).joined(separator: ", "))"
    return Setting(name, allowed, standard, usedBy, summary) { text, settings in
      guard let value = words.first(where: { $0.word == text })?.value else { return "expected \(allowed)" }
      settings[keyPath: path] = value
      return nil
    }
  }

  /// A name of one or more of the given kind of characters.
  public static func name(
    _ name: String, _ path: Path<String>, longest: Int, extra: String, _ standard: Default, _ usedBy: [Program],
    _ summary: String
  ) -> Setting {
    let signs = extra.map { String($0) }.joined(separator: " ")
    let allowed = "1 to \(longest) ASCII letters, digits and \(signs)"
    return Setting(name, allowed, standard, usedBy, summary) { text, settings in
      let isNamed = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || extra.contains($0)) }
      guard isNamed, (1...longest).contains(text.utf8.count), text != ".", text != ".." else {
        return "expected \(allowed)"
      }
      settings[keyPath: path] = text
      return nil
    }
  }

  /// A text by a rule of the context's own.
  public static func text(
    _ name: String, _ path: Path<String>, rule: String, _ isValid: @escaping @Sendable (String) -> Bool,
    _ standard: Default, _ usedBy: [Program], _ summary: String
  ) -> Setting {
    Setting(name, rule, standard, usedBy, summary) { text, settings in
      guard isValid(text) else { return "expected \(rule)" }
      settings[keyPath: path] = text
      return nil
    }
  }

  /// A text that a type of the context's own reads.
  /// - Parameter isSecret: messages do not show the value.
  public static func parsed<Value: Sendable>(
    _ name: String, _ path: Path<Value>, rule: String, isSecret: Bool = false,
    _ parse: @escaping @Sendable (String) -> Value?, _ standard: Default, _ usedBy: [Program], _ summary: String
  ) -> Setting {
    Setting(name, rule, secrecy: isSecret ? .secret : .open, standard, usedBy, summary) { text, settings in
      guard let value = parse(text) else { return "expected \(rule)" }
      settings[keyPath: path] = value
      return nil
    }
  }

  /// The address of a socket that listens; see `NetworkAddress`.
  public static func listener(
    _ name: String, _ path: Path<NetworkAddress>, _ standard: Default, _ usedBy: [Program], _ summary: String
  ) -> Setting {
    let allowed = listenerWords
    return Setting(name, allowed, standard, usedBy, summary) { text, settings in
      guard let address = NetworkAddress(text) else { return "expected \(allowed)" }
      settings[keyPath: path] = address
      return nil
    }
  }

  private static var listenerWords: String { "HOST:PORT (IPv6 in brackets, :PORT for every address, port 0 for any)" }

  /// The address of a socket that listens, or nothing for none, which is stored as nil.
  public static func optionalListener(
    _ name: String, _ path: Path<NetworkAddress?>, _ standard: Default, _ usedBy: [Program], _ summary: String
  ) -> Setting {
    let allowed = "\(listenerWords), or nothing for none"
    return Setting(name, allowed, standard, usedBy, summary) { text, settings in
      let address = NetworkAddress(text)
      guard text.isEmpty || address != nil else { return "expected \(allowed)" }
      settings[keyPath: path] = address
      return nil
    }
  }

  /// The address of somebody else's socket, or nothing for none, which is stored as nil.
  public static func optionalPeer(
    _ name: String, _ path: Path<NetworkAddress?>, _ standard: Default, _ usedBy: [Program], _ summary: String
  ) -> Setting {
    let allowed = "HOST:PORT (IPv6 in brackets), or nothing for none"
    return Setting(name, allowed, standard, usedBy, summary) { text, settings in
      let address = NetworkAddress(text)
      guard text.isEmpty || (address != nil && address?.port != 0 && !text.hasPrefix(":")) else {
        return "expected \(allowed)"
      }
      settings[keyPath: path] = address
      return nil
    }
  }

  /// One broker or several; the port is never 0 and the host never empty.
  public static func brokers(
    _ name: String, _ path: Path<String>, _ standard: Default, _ usedBy: [Program], _ summary: String
  ) -> Setting {
    let allowed = "HOST:PORT, several with commas between"
    return Setting(name, allowed, standard, usedBy, summary) { text, settings in
      let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { $0.drop { $0 == " " } }
      let brokers = parts.map { NetworkAddress($0) }
      guard !parts.contains(where: { $0.hasPrefix(":") }), brokers.allSatisfy({ $0 != nil && $0?.port != 0 }) else {
        return "expected \(allowed)"
      }
      settings[keyPath: path] = brokers.compactMap { $0?.description }.joined(separator: ",")
      return nil
    }
  }

  /// The address of a PostgreSQL server. Messages do not show it, since it may hold a password.
  /// - Parameter orNothing: whether it may be empty.
  public static func postgres(
    _ name: String, _ path: Path<String>, orNothing: Bool = false, _ standard: Default, _ usedBy: [Program],
    _ summary: String
  ) -> Setting {
    let allowed = "`postgres://USER:PASSWORD@HOST:PORT/DATABASE`\(orNothing ? ", or nothing" : "")"
    return Setting(name, allowed, secrecy: .address, standard, usedBy, summary) { text, settings in
      if !(orNothing && text.isEmpty), let problem = DataSourceName.problemOfPostgres(text) { return problem }
      settings[keyPath: path] = text
      return nil
    }
  }

  /// The address of a Redis server, or nothing for none. Messages do not show it, since it may hold a password.
  public static func redis(
    _ name: String, _ path: Path<String>, _ standard: Default, _ usedBy: [Program], _ summary: String
  ) -> Setting {
    let allowed = "`redis://[USER:PASSWORD@]HOST:PORT[/DATABASE]`, or nothing for none"
    return Setting(name, allowed, secrecy: .address, standard, usedBy, summary) { text, settings in
      if !text.isEmpty, let problem = DataSourceName.problemOfRedis(text) { return problem }
      settings[keyPath: path] = text
      return nil
    }
  }

  /// The path of a file; who uses it looks into it.
  /// - Parameter kind: what the file is.
  public static func file(
    _ name: String, _ path: Path<String>, kind: String = "a PEM file", _ usedBy: [Program], _ summary: String
  ) -> Setting {
    let allowed = "the path of \(kind), or nothing"
    return Setting(name, allowed, .value(""), usedBy, summary) { text, settings in
      // Pasted instead of named, it would end up in messages.
      guard !text.contains("-----BEGIN"), !text.utf8.contains(0) else { return "expected \(allowed)" }
      settings[keyPath: path] = text
      return nil
    }
  }

  /// The path of a PEM file with a private key, whose mode is looked at; who uses it looks into it.
  public static func keyFile(_ name: String, _ path: Path<String>, _ usedBy: [Program], _ summary: String) -> Setting {
    let row = file(name, path, usedBy, summary)
    return Setting(name, row.allowed, row.standard, usedBy, summary) { text, settings in
      row.read(text, &settings) ?? SecretFile.problem(text)
    }
  }

  /// The path of a file with a secret in it, such as a token; who uses it looks into it.
  public static func secretFile(
    _ name: String, _ path: Path<String>, _ usedBy: [Program], _ summary: String
  ) -> Setting {
    let allowed = "a path with a slash in it, or nothing"
    // Not shown in messages: the secret may have been pasted instead of its file's name.
    return Setting(name, allowed, secrecy: .secret, .value(""), usedBy, summary) { text, settings in
      guard text.isEmpty || text.contains("/"), !text.utf8.contains(0) else { return "expected \(allowed)" }
      settings[keyPath: path] = text
      return nil
    }
  }
}
