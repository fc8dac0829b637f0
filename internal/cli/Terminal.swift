import Glibc
import Synchronization
import Values

/// The terminal of standard output, for pages that are drawn over and over: its other screen, without echo and line
/// editing. However the process ends, but by SIGKILL, the terminal is as before.
struct Terminal: ~Copyable {
  /// Whether standard output is a terminal on which pages can be drawn.
  static var isAvailable: Bool {
    guard isatty(STDOUT_FILENO) == 1, let name = getenv("TERM") else { return false }
    return !["", "dumb"].contains(String(cString: name))
  }

  /// Whether keys can be read.
  private let hasKeys = isatty(STDIN_FILENO) == 1

  /// Takes the terminal.
  init() throws(CommandError) {
    guard tcgetattr(STDOUT_FILENO, &savedModes) == 0 else { throw Self.failure }
    atexit { restoreTerminal(waits: true) }
    for number in Self.ends {
      var action = sigaction()
      action.__sigaction_handler.sa_handler = { endBySignal($0) }
      sigaction(number, &action, &savedActions[Int(number)])
    }
    // Whoever stops us leaves the other screen to the shell.
    signal(SIGTSTP, SIG_IGN)
    var modes = savedModes
    // Ctrl-C stays a signal, so that it ends us whatever we do; Ctrl-S, Ctrl-Z and Ctrl-\ mean nothing.
    modes.c_lflag &= ~tcflag_t(ICANON | ECHO | IEXTEN)
    modes.c_iflag &= ~tcflag_t(IXON)
    withUnsafeMutableBytes(of: &modes.c_cc) { keys in
      keys[Int(VSUSP)] = 0
      keys[Int(VQUIT)] = 0
      keys[Int(VMIN)] = 1
      keys[Int(VTIME)] = 0
    }
    isTaken.store(true, ordering: .sequentiallyConsistent)
    guard tcsetattr(STDOUT_FILENO, TCSANOW, &modes) == 0 else { throw Self.failure }
    // The other screen, no cursor, no wrapping.
    try Self.write("\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l")
  }

  deinit { restoreTerminal(waits: true) }

  /// Its present size; `TopPage.Size.standard` where it does not say, or is none.
  static var size: TopPage.Size {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return .standard }
    return TopPage.Size(width: Int(size.ws_col), height: Int(size.ws_row))
  }

  /// Draws a page over the last one; nothing scrolls, as no line ends the last row. Rows are cleared before they are
  /// written: behind a full one the cursor stands on its last character.
  func draw(_ lines: [String]) throws(CommandError) {
    let rows = lines.dropLast().map { "\u{1B}[K\($0)\r\n" }.joined()
    try Self.write("\u{1B}[H\(rows)\u{1B}[J\(lines.last ?? "")")
  }

  /// Waits for a key.
  /// - Returns: nil when none was pressed in time.
  func key(within patience: Duration) throws(CommandError) -> UInt8? {
    var waiting = pollfd(fd: hasKeys ? STDIN_FILENO : -1, events: Int16(POLLIN), revents: 0)
    guard poll(&waiting, 1, Int32(clamping: patience.inMilliseconds)) == 1 else { return nil }
    var byte: UInt8 = 0
    guard read(STDIN_FILENO, &byte, 1) == 1 else { throw .failure("the terminal is gone") }
    return byte
  }

  /// Signals that end a process, other than those that `Interruption` takes.
  private static let ends = [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGSEGV, SIGSYS, SIGTRAP, SIGXCPU, SIGALRM]

  private static var failure: CommandError { .failure("the terminal: \(String(cString: strerror(errno)))") }

  private static func write(_ text: String) throws(CommandError) {
    let isWritten = drawing.withLock { _ in
      // Once it is given back, nothing is drawn any more.
      guard isTaken.load(ordering: .sequentiallyConsistent) else { return true }
      var rest = Array(text.utf8)[...]
      while !rest.isEmpty {
        let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return false }
        rest = rest.dropFirst(count)
      }
      return true
    }
    guard isWritten else { throw failure }
  }
}

/// Held while something is written to the terminal.
private let drawing = Mutex(())
/// Whether the terminal has to be given back.
private let isTaken = Atomic(false)
// Written once, before any signal or exit can read it.
private nonisolated(unsafe) var savedModes = termios()
// As above; a slot for each signal.
private nonisolated(unsafe) let savedActions: UnsafeMutablePointer<sigaction> = {
  let actions = UnsafeMutablePointer<sigaction>.allocate(capacity: 65)
  actions.initialize(repeating: sigaction(), count: 65)
  return actions
}()
private let farewell = StaticString("\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l")

/// Gives the terminal back, once. Without `waits` it takes no lock and allocates nothing, as a signal's handler must.
private func restoreTerminal(waits: Bool) {
  guard isTaken.exchange(false, ordering: .sequentiallyConsistent) else { return }
  // A page that is half written goes first, unless the terminal takes nothing.
  if waits { _ = drawing.withLockIfAvailable { _ in } }
  _ = Glibc.write(STDOUT_FILENO, farewell.utf8Start, farewell.utf8CodeUnitCount)
  tcsetattr(STDOUT_FILENO, TCSANOW, &savedModes)
}

/// Gives the terminal back and ends as without this handler.
private func endBySignal(_ number: Int32) {
  restoreTerminal(waits: false)
  sigaction(number, &savedActions[Int(number)], nil)
  raise(number)
}
