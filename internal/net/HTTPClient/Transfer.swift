internal import CCurl
internal import Glibc
internal import Values

/// One request and its response, around libcurl's easy handle. On the loop's thread only.
final class Transfer {
  /// The most bytes of a response's headers.
  private static let maximumHeaders = 16_384

  let handle: UnsafeMutableRawPointer
  private let request: HTTPClientRequest
  private let rule: AddressRule
  private let completion: HTTPClient.Completion
  private var requestHeaders: UnsafeMutablePointer<curl_slist>?
  private var sentBody = 0
  private var headers: [(name: String, value: String)] = []
  private var headerBytes = 0
  private var body: [UInt8] = []
  private var isTooLarge = false
  private var isCut = false
  private var wasRefused = false
  private var wasAllowed = false
  /// How often a connection was ready for the request.
  private var starts = 0
  private var wasLate = false

  /// - Throws: when the deadline has passed, or it is too late to begin.
  init(
    _ request: HTTPClientRequest, _ configuration: HTTPClientConfiguration, deadline: Instant,
    _ completion: @escaping HTTPClient.Completion
  ) throws(HTTPClientError) {
    let now = Instant.now()
    let rest = (deadline - now).inMilliseconds
    guard now <= request.sendBy else { throw HTTPClientError(.tooLate, Self.tooLate, nothingWasSent: true) }
    guard rest > 0 else { throw HTTPClientError(.timedOut, "the time was over before it began", nothingWasSent: true) }
    guard let handle = curl_easy_init() else { preconditionFailure("no memory for a request") }
    self.handle = handle
    self.request = request
    self.completion = completion
    rule = configuration.addresses
    configure(configuration, rest)
    setBody()
    setHeaders(configuration)
  }

  deinit {
    curl_easy_cleanup(handle)
    curl_slist_free_all(requestHeaders)
  }

  // MARK: - The request

  /// Each option is one that this version of libcurl has: none may be lost without a word.
  private func set(_ result: CURLcode) {
    precondition(result == CURLE_OK, "libcurl refuses an option: \(String(cString: curl_easy_strerror(result)))")
  }

  private func configure(_ configuration: HTTPClientConfiguration, _ milliseconds: Int64) {
    let context = Unmanaged.passUnretained(self).toOpaque()
    // Unretained: the handle is freed with self.
    set(curl_set_text(handle, CURLOPT_URL, request.url))
    set(curl_set_text(handle, CURLOPT_PROTOCOLS_STR, "http,https"))
    // The environment has a say otherwise.
    set(curl_set_text(handle, CURLOPT_NOPROXY, "*"))
    set(curl_set_long(handle, CURLOPT_NETRC, Int(CURL_NETRC_IGNORED.rawValue)))
    set(curl_set_long(handle, CURLOPT_FOLLOWLOCATION, 0))
    set(curl_set_long(handle, CURLOPT_NOSIGNAL, 1))
    // Otherwise the end of a transfer waits for its name server, and with it every other transfer.
    set(curl_set_long(handle, CURLOPT_QUICK_EXIT, 1))
    set(curl_set_long(handle, CURLOPT_DISALLOW_USERNAME_IN_URL, 1))
    set(curl_set_long(handle, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1)))
    set(curl_set_long(handle, CURLOPT_HTTP09_ALLOWED, 0))
    set(curl_set_long(handle, CURLOPT_SSL_VERIFYPEER, 1))
    set(curl_set_long(handle, CURLOPT_SSL_VERIFYHOST, 2))
    set(curl_set_long(handle, CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2)))
    if let file = configuration.certificateAuthorities { set(curl_set_text(handle, CURLOPT_CAINFO, file)) }
    set(curl_set_long(handle, CURLOPT_TCP_NODELAY, 1))
    // Answers are small, and there may be thousands of requests under way.
    set(curl_set_long(handle, CURLOPT_BUFFERSIZE, 4_096))
    set(curl_set_long(handle, CURLOPT_TIMEOUT_MS, Int(clamping: milliseconds)))
    let connectTimeout = min(configuration.connectTimeout, request.sendBy - .now())
    set(curl_set_long(handle, CURLOPT_CONNECTTIMEOUT_MS, Int(clamping: max(1, connectTimeout.inMilliseconds))))
    set(curl_set_long(handle, CURLOPT_MAXAGE_CONN, Int(clamping: configuration.idleTime.inMilliseconds / 1_000)))
    set(curl_set_long(handle, CURLOPT_MAXLIFETIME_CONN, Int(clamping: configuration.maximumAge.inMilliseconds / 1_000)))
    set(curl_set_data_callback(handle, CURLOPT_HEADERFUNCTION, takeHeader))
    set(curl_set_pointer(handle, CURLOPT_HEADERDATA, context))
    set(curl_set_data_callback(handle, CURLOPT_WRITEFUNCTION, takeBody))
    set(curl_set_pointer(handle, CURLOPT_WRITEDATA, context))
    set(curl_set_open_callback(handle, openSocket))
    set(curl_set_pointer(handle, CURLOPT_OPENSOCKETDATA, context))
    set(curl_set_request_callback(handle, beginRequest))
    set(curl_set_pointer(handle, CURLOPT_PREREQDATA, context))
  }

  /// The body is read through a callback that cannot rewind: so libcurl, which sends a request again when a connection
  /// it had kept turns out to be dead, fails instead once the body was sent. Without a body libcurl would resend, so
  /// such a request that may change something gets a connection of its own.
  private func setBody() {
    set(curl_set_text(handle, CURLOPT_CUSTOMREQUEST, request.method))
    if let body = request.body {
      set(curl_set_long(handle, CURLOPT_POST, 1))
      set(curl_set_size(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count)))
      set(curl_set_data_callback(handle, CURLOPT_READFUNCTION, giveBody))
      // The least that libcurl takes: the default is four times as much for each request under way.
      set(curl_set_long(handle, CURLOPT_UPLOAD_BUFFERSIZE, 16_384))
      set(curl_set_pointer(handle, CURLOPT_READDATA, Unmanaged.passUnretained(self).toOpaque()))
    } else if request.method == "HEAD" {
      set(curl_set_long(handle, CURLOPT_NOBODY, 1))
    }
    let isSafe = request.method == "GET" || request.method == "HEAD"
    if request.body?.count ?? 0 == 0, !isSafe { set(curl_set_long(handle, CURLOPT_FRESH_CONNECT, 1)) }
  }

  private func setHeaders(_ configuration: HTTPClientConfiguration) {
    var lines = request.headers.map { $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" }
    let names = Set(request.headers.map { $0.name.lowercased() })
    if !names.contains("user-agent") { lines.append("User-Agent: \(configuration.userAgent)") }
    // Those that libcurl would add by itself.
    for name in ["Accept", "Content-Type"] where !names.contains(name.lowercased()) { lines.append("\(name):") }
    lines.append("Expect:")
    for line in lines { requestHeaders = curl_slist_append(requestHeaders, line) }
    set(curl_set_pointer(handle, CURLOPT_HTTPHEADER, requestHeaders))
  }

  /// A connection is ready; nothing of the request was sent on it.
  /// - Returns: false when it is too late.
  fileprivate func begin() -> Bool {
    starts += 1
    wasLate = Instant.now() > request.sendBy
    return !wasLate
  }

  /// - Returns: how many bytes were given; nil to give up: the process was stopped since the head was sent.
  fileprivate func give(_ buffer: UnsafeMutableRawBufferPointer) -> Int? {
    guard let body = request.body, sentBody > 0 || Instant.now() <= request.sendBy else { return nil }
    let count = min(buffer.count, body.count - sentBody)
    body.withBytes { bytes in
      bytes.extracting(sentBody..<sentBody + count).withUnsafeBytes { buffer.copyMemory(from: $0) }
    }
    sentBody += count
    return count
  }

  fileprivate func open(_ address: UnsafeMutablePointer<curl_sockaddr>) -> curl_socket_t {
    guard rule == .any || IPAddress(address).map(rule.allows) ?? false else {
      wasRefused = true
      return curl_socket_t(CURL_SOCKET_BAD)
    }
    wasAllowed = true
    let type = address.pointee.socktype | Int32(SOCK_CLOEXEC.rawValue)
    return socket(address.pointee.family, type, address.pointee.protocol)
  }

  // MARK: - The response

  fileprivate func take(header line: UnsafeRawBufferPointer) -> Bool {
    headerBytes += line.count
    guard headerBytes <= Self.maximumHeaders else {
      isTooLarge = true
      return false
    }
    let text = String(decoding: line, as: UTF8.self)
    if text.hasPrefix("HTTP/") {
      headers = []
      body = []
    } else if let colon = text.firstIndex(of: ":") {
      let value = text[text.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
      headers.append((String(text[..<colon]), String(value.prefix { !$0.isNewline })))
    }
    return true
  }

  fileprivate func take(body piece: UnsafeRawBufferPointer) -> Bool {
    guard body.count + piece.count <= request.maximumResponse else {
      if request.cutsResponse {
        body.append(contentsOf: piece.prefix(request.maximumResponse - body.count))
        isCut = true
      } else {
        isTooLarge = true
      }
      return false
    }
    body.append(contentsOf: piece)
    return true
  }

  // MARK: - The end

  /// Whether a byte of the request may have been sent: the connection was ready for it.
  var mayHaveBeenSent: Bool {
    if wasLate { return starts > 1 }
    var microseconds: curl_off_t = 0
    var bytes = 0
    curl_get_size(handle, CURLINFO_PRETRANSFER_TIME_T, &microseconds)
    curl_get_long(handle, CURLINFO_REQUEST_SIZE, &bytes)
    return microseconds > 0 || bytes > 0
  }

  func finish(_ result: CURLcode) {
    guard result == CURLE_OK || isCut else { return finish(error(result)) }
    var status = 0
    curl_get_long(handle, CURLINFO_RESPONSE_CODE, &status)
    guard (200...599).contains(status) else {
      return finish(HTTPClientError(.invalidResponse, "the status is \(status)", nothingWasSent: false))
    }
    completion(.success(HTTPClientResponse(status: status, headers: headers, body: body)))
  }

  func finish(_ error: HTTPClientError) { completion(.failure(error)) }

  private func error(_ result: CURLcode) -> HTTPClientError {
    let nothingWasSent = !mayHaveBeenSent
    let (code, message): (HTTPClientError.Code, String) =
      if isTooLarge {
        (.responseTooLarge, "the response is larger than \(request.maximumResponse) bytes, or its headers are")
      } else if wasRefused, !wasAllowed {
        (.refusedAddress, "the host's address is none that may be connected to")
      } else if wasLate {
        (.tooLate, Self.tooLate)
      } else {
        Self.kind(of: result)
      }
    return HTTPClientError(code, message, nothingWasSent: nothingWasSent)
  }

  static let tooLate = "it was too late to begin the request"

  private static func kind(of result: CURLcode) -> (HTTPClientError.Code, String) {
    // libcurl's words for a code name no value of the request.
    let words = String(cString: curl_easy_strerror(result))
    switch result {
    case CURLE_URL_MALFORMAT: return (.invalidRequest, words)
    case CURLE_COULDNT_RESOLVE_HOST: return (.unknownHost, words)
    case CURLE_COULDNT_CONNECT, CURLE_INTERFACE_FAILED: return (.connectionFailed, words)
    case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
      CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS:
      return (.tls, words)
    case CURLE_OPERATION_TIMEDOUT: return (.timedOut, words)
    // The scheme was looked at before: it is HTTP/0.9 that libcurl names so.
    case CURLE_UNSUPPORTED_PROTOCOL, CURLE_WEIRD_SERVER_REPLY, CURLE_BAD_CONTENT_ENCODING:
      return (.invalidResponse, words)
    default: return (.connectionLost, words)
    }
  }
}

extension IPAddress {
  /// What libcurl is about to connect to; nil for what is no IP address.
  fileprivate init?(_ address: UnsafeMutablePointer<curl_sockaddr>) {
    // `addr` is declared shorter than an IPv6 address is: `addrlen` says how much there is.
    let start = UnsafeMutableRawPointer(address) + MemoryLayout<curl_sockaddr>.offset(of: \.addr)!  // a stored field
    let bytes = UnsafeRawBufferPointer(start: start, count: Int(address.pointee.addrlen))
    switch address.pointee.family {
    // sockaddr_in: family, port, address; sockaddr_in6: family, port, flow label, address.
    case AF_INET where bytes.count >= 8: self.init(bytes: Array(bytes[4..<8]))
    case AF_INET6 where bytes.count >= 24: self.init(bytes: Array(bytes[8..<24]))
    default: return nil
    }
  }
}

// MARK: - libcurl's callbacks: file-scope functions, so that they inherit no actor.

private func transfer(_ context: UnsafeMutableRawPointer) -> Transfer {
  Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
}

/// CURLOPT_HEADERFUNCTION: a whole line each.
private func takeHeader(
  _ data: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
  guard let context else { return 0 }
  let bytes = UnsafeRawBufferPointer(start: data, count: size * count)
  return transfer(context).take(header: bytes) ? bytes.count : 0
}

/// CURLOPT_WRITEFUNCTION.
private func takeBody(
  _ data: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
  guard let context else { return 0 }
  let bytes = UnsafeRawBufferPointer(start: data, count: size * count)
  return transfer(context).take(body: bytes) ? bytes.count : 0
}

/// CURLOPT_READFUNCTION.
private func giveBody(
  _ data: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
  guard let context else { return Int(CURL_READFUNC_ABORT) }
  let given = transfer(context).give(UnsafeMutableRawBufferPointer(start: data, count: size * count))
  return given ?? Int(CURL_READFUNC_ABORT)
}

/// CURLOPT_PREREQFUNCTION.
private func beginRequest(
  _ context: UnsafeMutableRawPointer?, _ remote: UnsafeMutablePointer<CChar>?, _ local: UnsafeMutablePointer<CChar>?,
  _ remotePort: Int32, _ localPort: Int32
) -> Int32 {
  guard let context, transfer(context).begin() else { return CURL_PREREQFUNC_ABORT }
  return CURL_PREREQFUNC_OK
}

/// CURLOPT_OPENSOCKETFUNCTION.
private func openSocket(
  _ context: UnsafeMutableRawPointer?, _ purpose: curlsocktype, _ address: UnsafeMutablePointer<curl_sockaddr>?
) -> curl_socket_t {
  guard let context, let address else { return curl_socket_t(CURL_SOCKET_BAD) }
  return transfer(context).open(address)
}
