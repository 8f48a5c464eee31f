// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// The panel's description of what is wrong.
/// Source: RFC 9457, https://www.rfc-editor.org/rfc/rfc9457.
struct Problem: Decodable, Equatable {
    struct FieldError: Decodable, Equatable {
        var field: String
        var message: String
    }

    var title: String?
    var detail: String?
    var instance: String?
    var errors: [FieldError]?
    var requestId: String?
}

extension CLIError {
    /// Renders an answer that is not a success.
    init(_ response: WireResponse, from panel: PanelAddress) {
        let problem = try? JSONDecoder().decode(Problem.self, from: Data(response.body))
        let message: String
        // A field's error that the message tells already is not told again.
        let errors = (problem?.errors ?? []).filter { problem?.detail?.contains($0.message) != true }
        if let problem, let title = problem.title {
            message = [title, problem.detail].compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: ": ")
        } else {
            message = "\(panel) answered with status \(response.status)"
        }
        self.init(
            message,
            details: errors.map { $0.field.isEmpty ? $0.message : "\($0.field): \($0.message)" },
            hint: Self.hint(response, problem: problem, panel: panel))
    }

    private static func hint(_ response: WireResponse, problem: Problem?, panel: PanelAddress) -> String? {
        switch response.status {
        case 401:
            return "The token is missing, wrong or expired. Log in again: slipway login --url \(panel)"
        case 403:
            return "See who you are and your roles: slipway whoami"
        case 300..<400:
            let target = response.headers["location"].map { ": it points to \($0)" } ?? ""
            return "The panel redirects\(target). Log in with the address it really has: slipway login --url URL"
        case 404 where problem?.title == nil:
            return "Is this the address of a Slipway panel? Another one: slipway login --url URL"
        case 404:
            return "See what there is: \(list(for: problem?.detail ?? "", at: problem?.instance ?? ""))"
        case 429:
            let wait = response.headers["retry-after"].map { "in \($0) s" } ?? "in a while"
            return "Too many requests: try again \(wait)."
        case 500...:
            let request = problem?.requestId ?? response.headers["x-request-id"]
            let reference = request.map { " Its operators find the cause by the request's id, \($0)." } ?? ""
            return "The panel could not do it: try again in a while.\(reference)"
        default:
            return nil
        }
    }

    /// The command that lists what was not found: the panel's words name it, its path says where it was looked for.
    private static func list(for detail: String, at path: String) -> String {
        let segments = path.split(separator: "/").dropFirst().map { String($0) }
        let subject = detail.hasPrefix("there is no ") ? detail.dropFirst("there is no ".count) : ""
        if segments.first == "apps", segments.count >= 3 {
            let app = AppReference(organisation: segments[1], name: segments[2])
            let name = segments.count >= 5 ? segments[4] : EnvironmentReference.defaultName
            let environment = EnvironmentReference(app: app, name: name)
            if subject.hasPrefix("environment ") { return "slipway environments list --app \(app)" }
            if subject.hasPrefix("deployment ") { return "slipway deployments \(environment.options)" }
            if subject.hasPrefix("such variable ") { return "slipway env list \(environment.options)" }
        }
        return switch segments.first {
        case "bus": "slipway events dead-letters list --status all"
        case "tokens": "slipway tokens list"
        case "organisations": "slipway org list"
        default: "slipway app list"
        }
    }

    /// No answer came.
    init(_ failure: TransportFailure, from panel: PanelAddress) {
        switch failure.kind {
        case .notConnected:
            self.init(
                "cannot reach \(panel): \(failure.reason)",
                hint: "Is the panel running? If it has another address: slipway login --url URL")
        case .interrupted:
            self.init(
                "\(panel) did not answer: \(failure.reason)",
                hint: "Whether it did what was asked is not known: look first (slipway status), then try again.")
        case .idle:
            self.init(
                "\(panel) did not answer: \(failure.reason)",
                hint: "Is the panel healthy? Its operators see why on its /readyz.")
        case .tooLarge:
            self.init("\(panel): \(failure.reason)")
        }
    }
}
