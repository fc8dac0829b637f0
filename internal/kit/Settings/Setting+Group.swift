/// Groups of settings that many sets contain, such as those of a database. A group brings its rows, and each set says
/// where in its value the group is.
extension Setting {
  /// The group's row as a row of a set.
  /// - Parameter path: the group within the set.
  public func within<Outer>(_ path: Setting<Outer>.Path<Root>) -> Setting<Outer> {
    Setting<Outer>(
      name: name, allowed: allowed, summary: summary, usedBy: usedBy, secrecy: secrecy, standard: standard
    ) { [read] text, settings in read(text, &settings[keyPath: path]) }
  }
}

extension Array {
  /// The group's rows as rows of a set.
  /// - Parameter path: the group within the set.
  public func within<Group, Outer>(_ path: Setting<Outer>.Path<Group>) -> [Setting<Outer>]
  where Element == Setting<Group> {
    map { $0.within(path) }
  }
}
