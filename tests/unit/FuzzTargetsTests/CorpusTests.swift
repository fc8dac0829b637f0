import Foundation
import FuzzTargets
import Testing

/// Plays the committed inputs of tests/fuzz/corpus through their targets, without the fuzzer.
@Suite struct CorpusTests {
  private struct Input: CustomTestStringConvertible {
    let target: FuzzTarget
    let name: String
    let bytes: [UInt8]
    var testDescription: String { "\(target.rawValue)/\(name)" }
  }

  private static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().appending(path: "../../fuzz/corpus").standardizedFileURL

  private static func inputs(of target: FuzzTarget) throws -> [Input] {
    let folder = folder.appending(path: target.rawValue)
    return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map { name in
      Input(target: target, name: name, bytes: Array(try Data(contentsOf: folder.appending(path: name))))
    }
  }

  @Test(arguments: FuzzTarget.allCases)
  func keepsItsPromises(target: FuzzTarget) throws {
    let inputs = try Self.inputs(of: target)
    #expect(inputs.count >= 10, "a corpus of \(target.rawValue) is missing")
    for input in inputs {
      do {
        try target.run(input.bytes)
      } catch {
        Issue.record("\(input.testDescription): \(error)")
      }
    }
  }

  /// Cut anywhere, too: what a peer that goes away leaves behind.
  @Test(arguments: FuzzTarget.allCases)
  func keepsThemCutAnywhere(target: FuzzTarget) throws {
    for input in try Self.inputs(of: target) {
      for length in stride(from: 0, to: input.bytes.count, by: 7) {
        do {
          try target.run(Array(input.bytes[..<length]))
        } catch {
          Issue.record("\(input.testDescription), the first \(length) bytes: \(error)")
        }
      }
    }
  }
}
