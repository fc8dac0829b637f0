internal import CLibpq

/// The keywords and values of a DSN as libpq reads it.
///
/// libpq's own message is not passed on: it quotes the part that it stumbled over, which may be the password.
func parseConnectionString(_ dsn: String) throws(DatabaseError) -> [(name: String, value: String)] {
  var message: UnsafeMutablePointer<CChar>?
  // libpq takes an empty one, and would connect to whatever its environment says.
  let options = dsn.isEmpty ? nil : PQconninfoParse(dsn, &message)
  PQfreemem(message)
  guard let options else {
    throw DatabaseError(
      .invalidDSN,
      "the database's DSN cannot be read; expected postgres://user:password@host:port/database?option=value with "
        + "special characters of the password percent-encoded, or key=value pairs")
  }
  defer { PQconninfoFree(options) }
  var keywords: [(name: String, value: String)] = []
  var option = options
  while let name = option.pointee.keyword {
    if let value = option.pointee.val { keywords.append((String(cString: name), String(cString: value))) }
    option += 1
  }
  return keywords
}
