internal import COpenSSL

/// Reads and clears OpenSSL's error queue of this thread.
///
/// - Returns: the reason of the first error, which is where the failure began, without OpenSSL's numbers.
func takeOpenSSLReason() -> String {
  let code = ERR_get_error()
  ERR_clear_error()
  guard code != 0 else { return "no reason given" }
  return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
    // The buffer has a base address, as its capacity is above zero.
    let start = buffer.baseAddress!
    ERR_error_string_n(code, start, buffer.count)
    // error:0480006C:PEM routines::no start line
    let text = String(cString: start)
    return text.split(separator: ":").last.map(String.init) ?? text
  }
}
