import HTTPServer
import Money
import Testing
import UserNames
import Values

@testable import GatewaySurfaces

@Suite struct TransactionsRequestTests {
  private static let start =
    #"{"status":400,"error":"Bad Request","message":"Ошибка валидации данных. Передано некорректное значение:"#

  private func answer(_ json: String) -> String? {
    do throws(TransactionsFault) {
      _ = try TransactionsRequest(Array(json.utf8))
      return nil
    } catch {
      #expect(error.response.status == 400)
      return String(decoding: error.response.body, as: UTF8.self)
    }
  }

  private func fields(_ json: String) -> String? {
    answer(json).map { String($0.dropFirst(Self.start.count)) }
  }

  @Test(arguments: ["100", "\"100\""])
  func `a request is read`(amount: String) throws {
    let json = "{\"userName\":\"Иван\",\"amount\":\(amount),\"currency\":\"JPY\",\"more\":[{}]}"
    let request = try TransactionsRequest(Array(json.utf8))
    #expect(request.user == UserName("Иван") && request.coin == 100 && request.currency == Currency("JPY"))
  }

  @Test func `all that is wrong is told at once, with the values`() {
    #expect(
      fields(#"{"userName":"ab","amount":0,"currency":"GBP"}"#)
        == #"","fieldErrors":[{"field":"userName","rejectedValue":"ab","message":"#
        + #""размер должен находиться в диапазоне от 3 до 32"},"#
        + #"{"field":"amount","rejectedValue":0,"message":"должно быть не меньше 1"},"#
        + #"{"field":"currency","rejectedValue":"GBP","message":"должно быть одним из значений: BYN, RUB, USD, EUR, JPY"}]}"#
    )
  }

  @Test func `absent values are left out`() {
    #expect(
      fields(#"{"userName":null,"currency":"EUR"}"#)
        == #"","fieldErrors":[{"field":"userName","message":"не должно равняться null"},"#
        + #"{"field":"amount","message":"не должно равняться null"}]}"#)
  }

  @Test(arguments: [
    ("2147483648", "должно быть не больше 2147483647"), ("99999999999999999999", "должно быть не больше 2147483647"),
    ("-1", "должно быть не меньше 1"), ("1.5", "должно быть целым числом"), ("1e2", "должно быть целым числом"),
    ("\"\"", "должно быть целым числом"), ("true", "должно быть целым числом"), ("{}", "должно быть целым числом"),
  ])
  func `an amount is an integer of 31 bits`(amount: String, message: String) {
    #expect(
      fields("{\"userName\":\"alice\",\"amount\":\(amount),\"currency\":\"EUR\"}")
        == "\",\"fieldErrors\":[{\"field\":\"amount\",\"rejectedValue\":\(amount),\"message\":\"\(message)\"}]}")
  }

  @Test func `the highest amount is taken`() throws {
    let json = #"{"userName":"alice","amount":2147483647,"currency":"BYN"}"#
    #expect(try TransactionsRequest(Array(json.utf8)).coin == 2_147_483_647)
  }

  @Test(arguments: ["", "{", "[]", "7", "{\"amount\":1,\"amount\":1}"])
  func `a body that is no object is refused without a field`(json: String) {
    #expect(fields(json) == #" тело запроса не является объектом JSON"}"#)
  }

  @Test func `a card number is shown to nobody`() throws {
    let text = try #require(answer(#"{"userName":"4242424242424242","amount":4242424242424242,"currency":"EUR"}"#))
    #expect(!text.contains("4242"))
  }

  @Test func `whoever shows no credentials is asked for them`() throws {
    let credentials = BasicCredentials("user:1234")
    do throws(TransactionsFault) {
      try credentials.check(HTTPHeaders())
      Issue.record("it was let in")
    } catch {
      let response = error.response
      #expect(response.status == 401)
      #expect(response.fields.contains { $0.name == "WWW-Authenticate" && $0.value.hasPrefix("Basic ") })
      #expect(
        String(decoding: response.body, as: UTF8.self)
          == #"{"status":401,"error":"Unauthorized","message":"Пользователь не аутентифицирован: "#
          + #"Full authentication is required to access this resource"}"#)
    }
  }

  @Test func `a fault of ours has this shape`() {
    #expect(
      String(decoding: TransactionsFault.failed("x").response.body, as: UTF8.self)
        == #"{"status":500,"error":"Internal Server Error","message":"Внутренняя ошибка сервера: x"}"#)
    #expect(TransactionsFault.missing.response.status == 404)
    let refused = TransactionsFault.response(.methodNotAllowed(allow: ["GET"]))
    #expect(refused.status == 405 && refused.fields.contains { $0.name == "Allow" })
  }
}
