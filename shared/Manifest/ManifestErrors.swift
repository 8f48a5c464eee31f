// SPDX-License-Identifier: Apache-2.0

/// One thing that is wrong with a manifest, for the developer who wrote it.
public struct ManifestProblem: Sendable, Hashable, CustomStringConvertible {
    /// Counted from 1; `nil` when the problem is of the file as a whole.
    public let line: Int?
    public let column: Int?
    /// Path of the value, such as `web.port`; empty for the file as a whole.
    public let field: String
    /// What was found and what is expected.
    public let message: String

    public init(line: Int?, column: Int?, field: String, message: String) {
        self.line = line
        self.column = column
        self.field = field
        self.message = message
    }

    /// `slipway.yaml:12: web.port: found "abc", expected a port from 1 to 65535`
    public var description: String {
        Manifest.fileName + (line.map { ":\($0)" } ?? "") + ": " + (field.isEmpty ? "" : field + ": ") + message
    }
}

/// Everything that is wrong with a manifest, in order of lines. Never empty.
public struct ManifestErrors: Error, Sendable, Hashable, CustomStringConvertible {
    public let problems: [ManifestProblem]

    public init(problems: [ManifestProblem]) { self.problems = problems }

    /// One line for each problem.
    public var description: String { problems.map(\.description).joined(separator: "\n") }
}

/// Collects problems while a manifest is read.
final class ProblemLog {
    private var problems: [ManifestProblem] = []
    private var omitted = 0

    var isEmpty: Bool { problems.isEmpty }

    func add(line: Int? = nil, column: Int? = nil, field: String = "", _ message: String) {
        guard problems.count < ManifestLimits.problemsMax else {
            omitted += 1
            return
        }
        problems.append(ManifestProblem(line: line, column: column, field: field, message: message))
    }

    var errors: ManifestErrors {
        var sorted = problems.enumerated().sorted {
            ($0.element.line ?? 0, $0.element.column ?? 0, $0.offset)
                < ($1.element.line ?? 0, $1.element.column ?? 0, $1.offset)
        }.map(\.element)
        if omitted > 0 {
            sorted.append(ManifestProblem(line: nil, column: nil, field: "", message: "\(omitted) more problems"))
        }
        if sorted.isEmpty {
            // A reader that gives up says why; this keeps the promise that errors are never empty.
            sorted.append(ManifestProblem(line: nil, column: nil, field: "", message: "cannot be read"))
        }
        return ManifestErrors(problems: sorted)
    }
}
