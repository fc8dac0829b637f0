// FUZZ_TARGET=NAME fuzz-driver [libFuzzer's options and corpora]: built by internal/stack/fuzz.sh only, since it needs
// the compiler's instrumentation.
import CLibFuzzer
import FuzzTargets
import Glibc

/// What the environment asks for.
enum Chosen {
  static let target: FuzzTarget = {
    guard let name = getenv("FUZZ_TARGET"), let target = FuzzTarget(rawValue: String(cString: name)) else {
      fatalError("FUZZ_TARGET must be one of \(FuzzTarget.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return target
  }()
}

var count = CommandLine.argc
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
exit(
  LLVMFuzzerRunDriver(&count, &arguments) { data, size in
    do throws(FuzzFinding) {
      try Chosen.target.run(Array(UnsafeBufferPointer(start: data, count: size)))
    } catch {
      fatalError("\(error)")
    }
    return 0
  })
