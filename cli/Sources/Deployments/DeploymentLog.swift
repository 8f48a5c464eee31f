// SPDX-License-Identifier: Apache-2.0

/// A deployment's log as it is printed: a heading for each stage, its lines under it, each line once.
struct DeploymentLog: Sendable {
    private var stage: String?
    private var lastSequence: Int?
    private(set) var end: DeploymentLogEnd?

    /// - Returns: the lines to print for the event.
    mutating func receive(_ event: EventStreamParser.Event) throws(CLIError) -> [String] {
        let document = Document(bytes: Array(event.data.utf8))
        switch event.name {
        case "line":
            return add(try document.decode(DeploymentLogLine.self))
        case "end":
            end = try document.decode(DeploymentLogEnd.self)
            return []
        default:
            return []
        }
    }

    /// A line that was seen before a connection broke is passed over.
    mutating func add(_ line: DeploymentLogLine) -> [String] {
        if let lastSequence, line.sequence <= lastSequence { return [] }
        lastSequence = line.sequence
        var lines: [String] = []
        if let next = line.stage, next != stage {
            stage = next
            lines.append("==> \(next)")
        }
        lines.append("    " + line.text)
        return lines
    }

    var lastStage: String? { stage }
}
