import Testing

@testable import Postgres

@Suite("Servers of a DSN")
struct ConnectionTargetTests {
  private func targets(_ dsn: String, _ addresses: [String: [String]] = [:]) throws -> [ConnectionTarget] {
    ConnectionTarget.all(of: try parseConnectionString(dsn)) { addresses[$0] ?? [$0] }
  }

  private func value(_ name: String, _ target: ConnectionTarget) -> String? {
    target.keywords.first { $0.name == name }?.value
  }

  @Test func eachHostStandsAlone() throws {
    let found = try targets("postgres://u:p@10.0.0.1:5433,10.0.0.2:5434,[::1]/d?target_session_attrs=read-write")
    #expect(found.map(\.name) == ["10.0.0.1:5433", "10.0.0.2:5434", "::1:5432"])
    #expect(found.map { value("hostaddr", $0) } == ["10.0.0.1", "10.0.0.2", "::1"])
    #expect(found.map { value("port", $0) } == ["5433", "5434", ""])
    #expect(found.allSatisfy { value("password", $0) == "p" && value("target_session_attrs", $0) == "read-write" })
  }

  @Test func onePortIsEverybodys() throws {
    #expect(try targets("host=10.0.0.1,10.0.0.2 port=6432").map(\.name) == ["10.0.0.1:6432", "10.0.0.2:6432"])
  }

  @Test func eachAddressOfANameStandsAloneUnderItsName() throws {
    let found = try targets("host=db,other", ["db": ["10.0.0.1", "fe80::1"], "other": []])
    #expect(found.map(\.name) == ["db:5432 (10.0.0.1)", "db:5432 (fe80::1)", "other:5432"])
    // The name is what a certificate is checked for.
    #expect(found.map { value("host", $0) } == ["db", "db", "other"])
    #expect(found.map { value("hostaddr", $0) } == ["10.0.0.1", "fe80::1", nil])
  }

  @Test func socketsAndGivenAddressesAreNotLookedUp() throws {
    let lookups = ["/run/postgresql": ["1.1.1.1"], "@abstract": ["1.1.1.1"], "db": ["1.1.1.1"], "": ["1.1.1.1"]]
    #expect(try targets("host=/run/postgresql", lookups).map { value("hostaddr", $0) } == [nil])
    #expect(try targets("host=@abstract", lookups).map { value("hostaddr", $0) } == [nil])
    #expect(try targets("host=db hostaddr=10.0.0.9", lookups).map { value("hostaddr", $0) } == ["10.0.0.9"])
    #expect(
      try targets("hostaddr=10.0.0.8,10.0.0.9", lookups).map { value("hostaddr", $0) } == ["10.0.0.8", "10.0.0.9"])
    #expect(try targets("dbname=d", lookups).map { value("hostaddr", $0) } == [nil])
    #expect(try targets("host=,/tmp", lookups).map { value("host", $0) } == ["", "/tmp"])
  }

  @Test func whatDoesNotFitIsLeftToLibpq() throws {
    for dsn in ["host=a,b port=1,2,3", "host=a,b hostaddr=10.0.0.1"] { #expect(try targets(dsn).count == 1) }
  }

  @Test func aStandbyIsPreferredAmongAll() throws {
    let found = try targets("host=a,b target_session_attrs=prefer-standby")
    #expect(found.map { value("target_session_attrs", $0) } == ["standby", "standby", "any", "any"])
    #expect(found.map { value("host", $0) } == ["a", "b", "a", "b"])
  }

  @Test func theOneThatWorkedComesFirstAndTheSilentLast() throws {
    let all = try targets("host=10.0.0.1,10.0.0.2,10.0.0.3")
    let memory = TargetMemory()
    func order() -> [String] { memory.ordered(all).map { String($0.name.prefix(8)) } }
    #expect(order() == ["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    memory.failed(all[0], silently: true)
    #expect(order() == ["10.0.0.2", "10.0.0.3", "10.0.0.1"])
    memory.worked(all[2])
    #expect(order() == ["10.0.0.3", "10.0.0.2", "10.0.0.1"])
    memory.failed(all[2], silently: false)
    memory.worked(all[1])
    #expect(order() == ["10.0.0.2", "10.0.0.3", "10.0.0.1"])
    memory.worked(all[0])
    #expect(order() == ["10.0.0.1", "10.0.0.2", "10.0.0.3"])
  }

  @Test func connectTimeoutIsForEach() throws {
    func timeout(_ text: String) throws -> Duration? {
      try DatabaseConfiguration(dsn: "host=a,b \(text)", applicationName: "t").timeoutForEach
    }
    #expect(try timeout("connect_timeout=3") == .seconds(3))
    for text in ["", "connect_timeout=0", "connect_timeout=-1", "connect_timeout=99999999999999999999"] {
      #expect(try timeout(text) == nil)
    }
  }
}
