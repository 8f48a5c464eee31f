// SPDX-License-Identifier: Apache-2.0
import Domain

struct Deployment: Decodable, Sendable {
    var id: String
    var number: Int
    var kind: String?
    /// The number of the release that a rollback makes live again.
    var restores: Int?
    var state: DeploymentState
    var stage: String?
    var commit: String?
    var message: String?
    var image: String?
    var imageWasReused: Bool?
    var reason: String?
    var createdBy: Lenient<String>?
    var createdAt: Timestamp?
    var startedAt: Timestamp?
    var finishedAt: Timestamp?
    var url: String?
    var isCurrent: Bool?

    var shortCommit: String? { commit.map { String($0.prefix(8)) } }

    var duration: Duration? {
        guard let start = startedAt ?? createdAt, let finishedAt else { return nil }
        return finishedAt.since(start)
    }
}

/// A state this version does not know is shown as it came.
struct DeploymentState: RawRepresentable, Decodable, Hashable, Sendable {
    let rawValue: String

    init(rawValue: String) {
        self.rawValue = rawValue
    }

    static let queued = DeploymentState(rawValue: "queued")
    static let running = DeploymentState(rawValue: "running")
    static let succeeded = DeploymentState(rawValue: "succeeded")
    static let failed = DeploymentState(rawValue: "failed")
    static let cancelled = DeploymentState(rawValue: "cancelled")

    var isFinal: Bool { self == .succeeded || self == .failed || self == .cancelled }

    var style: TextStyle {
        switch self {
        case .succeeded: .green
        case .failed: .red
        case .queued, .running: .yellow
        default: .plain
        }
    }
}

/// What is asked for: `kind` for a redeploy or rollback, `commit` for a commit of the app's repository.
struct NewDeployment: Encodable {
    var kind: String?
    var commit: String?
    var to: ReleaseReference?
}

/// A release as its user names it: the number the tables show, or the deployment's id.
enum ReleaseReference: Encodable, Hashable, Sendable {
    case number(Int)
    case id(String)

    static let rule = "a release's number, such as 12, or a deployment's id"

    init?(_ text: String) {
        let digits = text.hasPrefix("#") ? text.dropFirst() : text[...]
        if let number = Int(digits) {
            guard number > 0 else { return nil }
            self = .number(number)
        } else {
            let isWord = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_-".contains($0)) }
            guard isWord, !text.isEmpty else { return nil }
            self = .id(text)
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .number(let number): try container.encode(number)
        case .id(let id): try container.encode(id)
        }
    }
}
