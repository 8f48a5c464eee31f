// SPDX-License-Identifier: Apache-2.0
import Domain

/// An app as its users name it: `organisation/name`.
struct AppReference: Hashable, Sendable, CustomStringConvertible {
    static let rule = "organisation/name, each \(Slug.rule)"

    let organisation: String
    let name: String

    init(organisation: String, name: String) {
        self.organisation = organisation
        self.name = name
    }

    init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { String($0) }
        guard parts.count == 2, Slug.isValid(parts[0]), Slug.isValid(parts[1]) else { return nil }
        organisation = parts[0]
        name = parts[1]
    }

    var description: String { "\(organisation)/\(name)" }
}

struct EnvironmentReference: Hashable, Sendable, CustomStringConvertible {
    /// What every app begins with.
    static let defaultName = "main"

    let app: AppReference
    let name: String

    var description: String { "\(app) (\(name))" }

    /// What to add to a command so that it acts on this environment.
    var options: String {
        "--app \(app)" + (name == Self.defaultName ? "" : " --environment \(name)")
    }
}
