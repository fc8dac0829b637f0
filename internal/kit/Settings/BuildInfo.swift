internal import CBuildInfo

/// What this build was made of.
public enum BuildInfo {
  /// The version of CHANGELOG.md.
  public static let version = "0.1.0"
  /// The commit, with `-changed` where files differed from it; `unknown` for a build that nobody told, as
  /// Package.swift shows: `make` and the Dockerfile do.
  public static let commit = String(cString: build_commit())
}
