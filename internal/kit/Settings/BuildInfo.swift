internal import CBuildInfo

/// What this build was made of.
public enum BuildInfo {
  /// The version by the newest tag of git, such as `0.2.0`, or `0.2.0+5` five commits later; where there is no tag, the
  /// newest one of CHANGELOG.md.
  public static let version = String(cString: build_version())
  /// The commit, with `-changed` where files differed from it; `unknown` for a build that nobody told, as
  /// Package.swift shows: `make` and the Dockerfile do.
  public static let commit = String(cString: build_commit())
}
