/// The version of this build.
public enum BuildInfo {
  /// The version of CHANGELOG.md.
  public static let version = "0.1.0"
}
