// SPDX-License-Identifier: Apache-2.0
import Domain

/// An app's manifest: the file `slipway.yaml` at the root of its repository.
public enum Manifest {
    public static let fileName = "slipway.yaml"

    /// Reads a manifest and fills in every default.
    ///
    /// Sizes are binary multiples: `1MB` is 1 048 576 bytes. Never traps, whatever the bytes are, and its time and
    /// memory are bounded by `Limits.manifestBytesMax`.
    ///
    /// - Throws: every problem found, in order of lines; problems of the YAML syntax hide those that would follow.
    public static func parse(_ bytes: [UInt8]) throws(ManifestErrors) -> AppSpec {
        let problems = ProblemLog()
        let spec = Document.tree(of: bytes, problems).flatMap { AppSpecReader(problems: problems).read($0) }
        guard let spec, problems.isEmpty else { throw problems.errors }
        return spec
    }

    public static func parse(_ text: String) throws(ManifestErrors) -> AppSpec {
        try parse(Array(text.utf8))
    }
}

/// Bounds of what a manifest may ask for, beside those in `Domain.Limits`.
public enum ManifestLimits {
    /// Aliases in a text are counted before it is composed: a few dozen of them can multiply into gigabytes.
    static let aliasesMax = 16
    static let depthMax = 10
    static let problemsMax = 50
    public static let servicesMax = 16
    public static let mountsMax = 16
    public static let commandArgumentsMax = 100
    public static let pathBytesMax = 1_024
    public static let stopGraceMilliseconds = 0...300_000
    public static let healthIntervalMilliseconds = 50...60_000
    public static let healthTimeoutMilliseconds = 100...60_000
    public static let healthDeadlineMilliseconds = 1_000...900_000
    public static let releaseTimeoutMilliseconds = 1_000...3_600_000
    public static let memoryBytes = (32 << 20)...(64 << 30)
    public static let mountBytes = (1 << 20)...(4 << 30)
    public static let cpuMillis = 50...64_000
    public static let pids = 16...4_096
}
