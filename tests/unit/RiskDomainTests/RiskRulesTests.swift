import DirectDomain
import Money
import RiskDomain
import Testing
import Values

@Suite struct RiskRulesTests {
  static let euro = Currency("EUR")!
  static let yen = Currency("JPY")!

  private func facts(
    _ amount: Int64 = 1_000, _ method: PaymentMethod = .card, _ currency: Currency = euro
  ) -> RiskFacts { RiskFacts(method: method, amount: Money(minorUnits: amount, currency)) }

  private func features(_ subject: RiskSubject, _ window: RiskWindow, count: Int64, sum: Int64 = 0) -> RiskEvidence {
    var usage = RiskUsage()
    usage[window] = RiskCount(count: count, sum: sum)
    return .features(RiskFeatures(usage: [subject: usage]))
  }

  private func rules(_ text: String, review: Int = 65, block: Int = 75) throws -> RiskRules {
    try RiskRules(file: Array(#"{"rules":[\#(text)]}"#.utf8), review: review, block: block)
  }

  @Test func `a rule matches when all its conditions hold`() throws {
    let rules = try rules(
      #"{"name":"a","points":10,"methods":["card","token"],"amount_above":{"EUR":999,"JPY":50}}"#)
    let nothing = RiskEvidence.features(RiskFeatures())
    #expect(rules.decide(facts(), nothing).score == 10)
    #expect(rules.decide(facts(999), nothing).score == 0)
    #expect(rules.decide(facts(1_000, .balance), nothing).score == 0)
    #expect(rules.decide(facts(51, .token, Self.yen), nothing).score == 10)
    #expect(rules.decide(facts(1_000_000, .card, Currency("USD")!), nothing).score == 0)
  }

  @Test func `a limit counts this payment too, and only what the payment has`() throws {
    let rules = try rules(
      #"""
      {"name":"often","points":20,"subject":"card","window":"1m","count_above":3},
      {"name":"much","points":30,"subject":"user","window":"24h","sum_above":{"EUR":5000}}
      """#)
    #expect(rules.countedSubjects == [.card, .user])
    #expect(rules.decide(facts(), features(.card, .minute, count: 2)).score == 0)
    #expect(rules.decide(facts(), features(.card, .minute, count: 3)).reasons == ["often"])
    #expect(rules.decide(facts(), features(.card, .hour, count: 3)).score == 0)
    #expect(rules.decide(facts(), features(.payee, .minute, count: 3)).score == 0)
    #expect(rules.decide(facts(), features(.user, .day, count: 1, sum: 4_000)).score == 0)
    #expect(rules.decide(facts(), features(.user, .day, count: 1, sum: 4_001)).reasons == ["much"])
    #expect(rules.decide(facts(1_000, .card, Self.yen), features(.user, .day, count: 1, sum: .max)).score == 0)
    // Nothing of a stranger's numbers overflows.
    #expect(rules.decide(facts(.max), features(.user, .day, count: .max, sum: .max)).score == 30)
  }

  @Test func `a limit of failures holds above what failed, and of first uses for what is new`() throws {
    let rules = try rules(
      #"""
      {"name":"failing","points":80,"subject":"card","window":"10m","failures_above":2},
      {"name":"new_card","points":10,"first_use":"card","amount_above":{"EUR":999}}
      """#)
    // A user's cards are remembered with the user.
    #expect(rules.countedSubjects == [.card, .user] && rules.blamedSubjects == [.card] && rules.remembers)
    func reasons(_ features: RiskFeatures, _ amount: Int64 = 1_000) -> [String] {
      rules.decide(facts(amount), .features(features)).reasons
    }
    #expect(reasons(RiskFeatures(failures: [.card: 2])) == [])
    #expect(reasons(RiskFeatures(failures: [.card: 3])) == ["failing"])
    #expect(reasons(RiskFeatures(failures: [.user: 9])) == [])
    #expect(reasons(RiskFeatures(firstUse: [.card])) == ["new_card"])
    #expect(reasons(RiskFeatures(firstUse: [.card]), 999) == [])
    #expect(reasons(RiskFeatures(firstUse: [.user, .account])) == [])
    #expect(try RiskRules(canonical: rules.canonical) == rules)
    #expect(
      String(decoding: rules.canonical, as: UTF8.self) == #"""
        {"review":65,"block":75,"rules":[{"name":"failing","points":80,"subject":"card","window":"10m","failures_above":\#
        2},{"name":"new_card","points":10,"amount_above":{"EUR":999},"first_use":"card"}]}
        """#)
  }

  @Test func `points add up to 99 at most, and the heaviest five are the reasons`() throws {
    let rules = try rules(
      (1...7).map { #"{"name":"r\#($0)","points":\#($0 == 4 ? 50 : 20),"methods":["card"]}"# }.joined(separator: ","))
    let decision = rules.decide(facts(), .features(RiskFeatures()))
    #expect(decision == RiskDecision(verdict: .block, score: 99, reasons: ["r4", "r1", "r2", "r3", "r5"]))
  }

  @Test(arguments: [(64, RiskVerdict.allow), (65, .review), (74, .review), (75, .block), (99, .block)])
  func `bands hold what reaches them`(points: Int, verdict: RiskVerdict) throws {
    let rules = try rules(#"{"name":"a","points":\#(points),"methods":["card"]}"#)
    #expect(rules.decide(facts(), .features(RiskFeatures())).verdict == verdict)
  }

  @Test func `no score reaches a band of 100`() throws {
    let rules = try rules(#"{"name":"a","points":99,"methods":["card"]}"#, review: 100, block: 100)
    #expect(rules.decide(facts(), .features(RiskFeatures())).verdict == .allow)
  }

  @Test func `lists go before rules`() throws {
    let rules = try rules(#"{"name":"a","points":99,"methods":["card"]}"#, review: 100, block: 100)
    let allowed = RiskEvidence.features(RiskFeatures(listing: RiskListing(.allow, .user)))
    #expect(rules.decide(facts(), allowed) == RiskDecision(verdict: .allow, score: 0, reasons: ["allow_list.user"]))
    let blocked = RiskEvidence.features(RiskFeatures(listing: RiskListing(.block, .card)))
    #expect(rules.decide(facts(), blocked) == RiskDecision(verdict: .block, score: 99, reasons: ["block_list.card"]))
  }

  @Test func `without features RISK_FAIL decides`() {
    let reasons = ["features_unavailable"]
    let standard = RiskRules.standard
    #expect(
      standard.decide(facts(), .unavailable(.open)) == RiskDecision(verdict: .allow, score: 0, reasons: reasons))
    #expect(
      standard.decide(facts(1, .account), .unavailable(.closed))
        == RiskDecision(verdict: .review, score: 99, reasons: reasons))
    // It cannot wait for a person, whatever RISK_CARD_REVIEW says.
    #expect(standard.decide(facts(), .unavailable(.closed)).verdict == .block)
  }

  @Test func `the standard rules let the ordinary through and hold the rush of one card`() {
    let standard = RiskRules.standard
    for method in PaymentMethod.allCases {
      #expect(standard.decide(facts(5_000, method), .features(RiskFeatures(usage: [.user: RiskUsage()]))).score == 0)
    }
    #expect(standard.decide(facts(5_000_000), features(.card, .minute, count: 1)).verdict == .allow)
    #expect(standard.decide(facts(), features(.card, .minute, count: 19)).verdict == .allow)
    #expect(standard.decide(facts(), features(.card, .minute, count: 20)).verdict == .block)
    for (failures, verdict) in [(10, RiskVerdict.allow), (11, .block)] as [(Int64, RiskVerdict)] {
      #expect(standard.decide(facts(), .features(RiskFeatures(failures: [.card: failures]))).verdict == verdict)
    }
    #expect(standard.countedSubjects == [.card, .user])
  }

  // MARK: - Files

  @Test func `a file is read back from its canonical form, whatever the order of its fields`() throws {
    let one = try rules(
      #"""
      {"name":"a","points":10,"methods":["token","card"],"amount_above":{"USD":5,"EUR":0}},
      {"window":"1h","sum_above":{"EUR":5},"subject":"payee","points":20,"name":"b"}
      """#, review: 40, block: 41)
    let other = try rules(
      #"""
      {"amount_above":{"EUR":0,"USD":5},"points":10,"methods":["card","token"],"name":"a"},
      {"name":"b","points":20,"subject":"payee","window":"1h","sum_above":{"EUR":5}}
      """#, review: 40, block: 41)
    #expect(one.canonical == other.canonical)
    #expect(try RiskRules(canonical: one.canonical) == one)
    #expect(
      String(decoding: one.canonical, as: UTF8.self) == #"""
        {"review":40,"block":41,"rules":[{"name":"a","points":10,"methods":["card","token"],"amount_above":{"EUR":0,"U\#
        SD":5}},{"name":"b","points":20,"subject":"payee","window":"1h","sum_above":{"EUR":5}}]}
        """#)
    #expect(try RiskRules(canonical: RiskRules.standard.canonical) == RiskRules.standard)
    #expect(try rules("").rules.isEmpty)
  }

  @Test(arguments: [
    (#"{"points":1,"methods":["card"]}"#, "rules[0]: name is missing"),
    (#"{"name":"a","methods":["card"]}"#, "rules[0]: points is missing"),
    (#"{"name":"a","points":0,"methods":["card"]}"#, "rules[0].points: expected 1 to 99, found 0"),
    (#"{"name":"a","points":100,"methods":["card"]}"#, "rules[0].points: expected 1 to 99, found 100"),
    (#"{"name":"a","points":"5","methods":["card"]}"#, "rules[0].points: byte 31: expected a number, found a string"),
    (
      #"{"name":"a","points":1.5,"methods":["card"]}"#,
      "rules[0].points: byte 32: expected an integer, found a number with a fraction or an exponent"
    ),
    (
      #"{"name":"A b","points":1,"methods":["card"]}"#,
      #"rules[0].name: expected 1 to 64 of a-z, 0-9 and _, found "A b""#
    ),
    (
      #"{"name":"features_unavailable","points":1,"methods":["card"]}"#,
      #"rules[0].name: expected 1 to 64 of a-z, 0-9 and _, found "features_unavailable""#
    ),
    (#"{"name":"a","points":1}"#, "rules[0]: a rule needs methods, amount_above, first_use or a subject"),
    (#"{"name":"a","points":1,"methods":[]}"#, "rules[0].methods: expected a method or more"),
    (
      #"{"name":"a","points":1,"methods":["card","cash"]}"#,
      #"rules[0].methods[1]: expected one of card, account, token, balance, found "cash""#
    ),
    (#"{"name":"a","points":1,"amount_above":{"EURO":1}}"#, "rules[0].amount_above.EURO: no currency of ISO 4217"),
    (#"{"name":"a","points":1,"amount_above":{"EUR":-1}}"#, "rules[0].amount_above.EUR: expected 0 or more, found -1"),
    (
      #"{"name":"a","points":1,"amount_above":{}}"#,
      "rules[0].amount_above: expected a currency or more, each with minor units"
    ),
    (
      #"{"name":"a","points":1,"subject":"iban","window":"1m","count_above":1}"#,
      #"rules[0].subject: expected one of user, payee, card, account, found "iban""#
    ),
    (
      #"{"name":"a","points":1,"subject":"card","window":"5m","count_above":1}"#,
      #"rules[0].window: expected one of 1m, 1h, 24h, 10m, found "5m""#
    ),
    (#"{"name":"a","points":1,"subject":"card","count_above":1}"#, "rules[0]: window is missing"),
    (#"{"name":"a","points":1,"window":"1m","count_above":1}"#, "rules[0]: subject is missing"),
    (
      #"{"name":"a","points":1,"subject":"card","window":"1m"}"#, "rules[0]: expected either count_above or sum_above"
    ),
    (
      #"{"name":"a","points":1,"subject":"card","window":"1m","count_above":1,"sum_above":{"EUR":1}}"#,
      "rules[0]: expected either count_above or sum_above"
    ),
    (
      #"{"name":"a","points":1,"subject":"card","window":"10m","count_above":1}"#,
      "rules[0]: window 10m has failures_above alone"
    ),
    (
      #"{"name":"a","points":1,"subject":"card","window":"1m","failures_above":1}"#,
      "rules[0]: expected either count_above or sum_above"
    ),
    (
      #"{"name":"a","points":1,"subject":"payee","window":"10m","failures_above":1}"#,
      "rules[0]: failures of a payee are not counted"
    ),
    (#"{"name":"a","points":1,"failures_above":1}"#, "rules[0]: subject is missing"),
    (
      #"{"name":"a","points":1,"first_use":"payee"}"#,
      #"rules[0].first_use: expected one of user, card, account, found "payee""#
    ),
    (#"{"name":"a","points":1,"methods":["card"],"note":"x"}"#, "rules[0].note: unknown field"),
    (
      #"{"name":"a","points":1,"methods":["card"]},{"name":"a","points":1,"methods":["card"]}"#,
      "rules[1]: another rule is called a"
    ),
    (#"{"name":"a","name":"b"}"#, "rules[0].name: byte 22: the field appears twice"),
    (#"["a"]"#, "rules[0]: byte 10: expected an object, found an array"),
  ])
  func `a fault of a rule is named by its field`(text: String, fault: String) {
    #expect { try rules(text) } throws: { error in "\(error)" == fault }
  }

  @Test(arguments: [
    ("", "byte 0: the text ends in the middle"), ("{}", "rules is missing"),
    (#"{"rules":[],"version":1}"#, "version: unknown field"),
    (#"{"rules":[],"\ud800":1}"#, "byte 13: a backslash, which no word of it needs"),
    (#"{"rules":[]} x"#, "byte 13: expected the end of the text, found \"x\""),
  ])
  func `a fault of the file is named`(text: String, fault: String) {
    #expect { try RiskRules(file: Array(text.utf8)) } throws: { error in "\(error)" == fault }
  }

  @Test func `limits of files and bands`() {
    #expect(throws: RiskFault.self) { try RiskRules(file: Array(repeating: 0x20, count: RiskRules.maximumBytes + 1)) }
    let many = (0...100).map { #"{"name":"r\#($0)","points":1,"methods":["card"]}"# }.joined(separator: ",")
    #expect { try rules(many) } throws: { error in "\(error)" == "rules[100]: more than 100 rules" }
    for (review, block) in [(0, 75), (65, 101), (76, 75)] {
      #expect { try rules("", review: review, block: block) } throws: { error in
        "\(error)" == "review \(review) and block \(block) must be 1 to 100, review not the higher"
      }
    }
  }
}
