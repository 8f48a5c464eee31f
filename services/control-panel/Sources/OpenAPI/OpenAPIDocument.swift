// SPDX-License-Identifier: Apache-2.0
import Yams

/// The contract of the panel's API, OpenAPI 3.1. It is written by hand and comes first: a test holds the routes to it.
///
/// It is text in the program, not a file beside it, so that what is served always fits what is running.
enum OpenAPIDocument {
    static let yaml =
        [
            OpenAPIText.head, OpenAPIText.accountPaths, OpenAPIText.appPaths, OpenAPIText.variablePaths,
            OpenAPIText.deploymentPaths, OpenAPIText.eventPaths, OpenAPIText.busPaths, OpenAPIText.gitPaths,
            OpenAPIText.components, OpenAPIText.schemas, OpenAPIText.eventSchemas,
        ].joined(separator: "\n") + "\n"

    /// The same document in JSON.
    static func json() throws -> String {
        guard let node = try Yams.compose(yaml: yaml) else { return "{}" }
        var text = ""
        write(node, to: &text)
        return text
    }

    private static func write(_ node: Node, to text: inout String) {
        switch node {
        case .scalar(let scalar): text += json(scalar)
        case .mapping(let mapping):
            text += "{"
            for (index, pair) in mapping.enumerated() {
                if index > 0 { text += "," }
                text += quoted(pair.key.scalar?.string ?? "") + ":"
                write(pair.value, to: &text)
            }
            text += "}"
        case .sequence(let sequence):
            text += "["
            for (index, element) in sequence.enumerated() {
                if index > 0 { text += "," }
                write(element, to: &text)
            }
            text += "]"
        case .alias: text += "null"
        }
    }

    private static func json(_ scalar: Node.Scalar) -> String {
        guard scalar.style == .plain else { return quoted(scalar.string) }
        switch scalar.string {
        case "true", "false", "null": return scalar.string
        case "", "~": return "null"
        case let text: return Int(text) != nil || Double(text) != nil ? text : quoted(text)
        }
    }

    private static func quoted(_ text: String) -> String { (try? Answer.encode(text)) ?? "\"\"" }
}

/// The parts of the document.
enum OpenAPIText {
    private static let problemNames = [
        400: "Malformed", 401: "Unauthenticated", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 422: "Invalid",
        503: "Unavailable",
    ]

    /// The end of the `responses` of a route that asks for a token: the answers of these statuses, and whatever else
    /// goes wrong.
    static func problems(_ statuses: Int...) -> String {
        let named = ([401] + statuses).sorted().map { status in
            "\"\(status)\": {$ref: \"#/components/responses/\(problemNames[status] ?? "Undefined")\"}"
        }
        // The first line is indented where this is written.
        return (named + ["default: {$ref: \"#/components/responses/Problem\"}"]).joined(separator: "\n        ")
    }
}
