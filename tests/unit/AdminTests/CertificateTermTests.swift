import Logger
import Synchronization
import Testing
import Values

@testable import Admin

@Suite struct CertificateTermTests {
  /// Ends at second 1,000,000; warned of for a day.
  private let term = CertificateTerm(endSeconds: 1_000_000, warningTime: .seconds(86_400))

  private func at(_ second: Int64) -> Timestamp { Timestamp(microseconds: second * 1_000_000) }

  @Test func itIsReadyUntilItsEnd() {
    #expect(
      term.check(at: at(999_999)).isReady && term.check(at: at(999_999)).detail.hasPrefix("ends 1970-01-12T13:46:40"))
    #expect(!term.check(at: at(1_000_000)).isReady && term.check(at: at(1_000_000)).detail.hasPrefix("ended "))
    #expect(CertificateTerm(endSeconds: nil, warningTime: .zero).check(at: at(0)).isReady)
  }

  @Test func itIsWarnedOfBeforeAndAfterItsEnd() {
    let lines = Mutex<[String]>([])
    let logger = Logger(label: "tls") { line in lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) } }
    term.warn(logger, setting: "SERVER_TLS_CERT", at: at(1_000_000 - 86_401))
    #expect(lines.withLock { $0.isEmpty })
    term.warn(logger, setting: "SERVER_TLS_CERT", at: at(1_000_000 - 86_400))
    term.warn(logger, setting: "SERVER_TLS_CERT", at: at(1_000_000))
    let written = lines.withLock { $0 }
    #expect(written.count == 2 && written.allSatisfy { $0.contains("setting=SERVER_TLS_CERT") })
    #expect(written[0].contains("ends soon") && written[1].contains("ended"))
    #expect(CertificateTerm(endSeconds: Int64.max, warningTime: .seconds(1)).warning(at: at(0)) == nil)
  }

  @Test func `a client's certificate is refused by servers and needs a restart`() {
    let term = CertificateTerm(endSeconds: 1_000_000, warningTime: .seconds(86_400), of: .client)
    let warning = "the certificate ends soon: put a new one in place and restart the program"
    #expect(term.warning(at: at(999_999)) == warning)
    let check = term.check("certificate_kafka", at: at(1_000_000))
    #expect(check.name == "certificate_kafka" && !check.isReady && check.detail.hasSuffix("servers refuse it"))
  }

  @Test func withoutAWarningTimeItIsWarnedOfAtItsEndOnly() {
    let term = CertificateTerm(endSeconds: 10, warningTime: .zero)
    #expect(term.warning(at: at(9)) == nil && term.warning(at: at(10)) != nil)
  }
}
