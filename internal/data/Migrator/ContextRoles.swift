/// The roles that log in to a context's database: the owner of its tables, one a program with the rights of its work,
/// one for people who read. Roles belong to a whole cluster and are made by whoever may; no migration makes them, whose
/// owner need not be allowed to. Here they are SQL, made of the same lists that programs check at start.
public struct ContextRoles: Sendable {
  /// What a program's role may do.
  public enum Rights: Sendable {
    /// Everything that the owner may, as whom it acts: a program that makes and drops the days of tables.
    case asOwner
    /// This, and to read the versions of the lines.
    case access([SchemaRequirement.Access])
    /// This, and to read every table of these schemas.
    case reading([SchemaRequirement.Access], schemas: [String])
  }

  /// What people call the context, such as `shipping`.
  public let context: String
  /// Who owns the schemas and tables, and runs the migrations.
  public let owner: String
  /// The schemas of the context.
  public let schemas: [String]
  /// The programs' roles, and people's.
  public let users: KeyValuePairs<String, Rights>

  /// - Parameter owner: who owns the schemas and tables, and runs the migrations.
  public init(context: String, owner: String, schemas: [String], users: KeyValuePairs<String, Rights>) {
    self.context = context
    self.owner = owner
    self.schemas = schemas
    self.users = users
  }

  /// SQL that makes the roles that are missing, without passwords; for a superuser, before the migrations.
  public var creation: String {
    let makes = ([owner] + users.map(\.key)).map {
      "  IF to_regrole('\($0)') IS NULL THEN CREATE ROLE \($0) LOGIN; END IF;\n"
    }.joined()
    let members = users.filter { if case .asOwner = $0.value { true } else { false } }.map { name, _ in
      // A session acts as the owner from its start on: whatever it makes is the owner's, too.
      "GRANT \(owner) TO \(name);\nALTER ROLE \(name) SET role = '\(owner)';\n"
    }.joined()
    return "-- The roles of \(context).\nDO $$ BEGIN\n\(makes)END $$;\n\(members)"
  }

  /// SQL that gives the roles their rights, in one transaction; for the owner or a superuser, after the migrations.
  /// Repeating it changes nothing.
  /// - Parameter lines: the context's lines of migrations.
  public func grants(_ lines: [MigrationLine]) -> String {
    let versions = Array(Set(lines.map(Self.versions))).sorted()
    var text = "-- The rights of \(context).\nBEGIN;\n"
    for (name, rights) in users {
      switch rights {
      case .asOwner: continue
      case .access(let access): text += grants(to: name, access, versions)
      case .reading(let access, let read):
        text += grants(to: name, access, versions)
        text += read.map { "GRANT SELECT ON ALL TABLES IN SCHEMA \($0) TO \(name);\n" }.joined()
      }
    }
    return text + "COMMIT;\n"
  }

  private func grants(to role: String, _ access: [SchemaRequirement.Access], _ versions: [String]) -> String {
    schemas.map { "GRANT USAGE ON SCHEMA \($0) TO \(role);\n" }.joined()
      + versions.map { "GRANT SELECT ON \($0) TO \(role);\n" }.joined()
      + access.map { "GRANT \($0.privileges.joined(separator: ", ")) ON \($0.relation) TO \(role);\n" }.joined()
  }

  private static func versions(_ line: MigrationLine) -> String {
    switch line.place {
    case .schema(let schema): "\(schema).\(line.versionTable)"
    case .beside: line.versionTable
    }
  }
}
