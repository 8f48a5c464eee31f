// SPDX-License-Identifier: Apache-2.0

/// What an endpoint needs. There is no endpoint without one, and nothing is granted that is not granted here.
enum Permission: String, Sendable, CaseIterable {
    // One's own account: any signed-in user.
    case readAccount, manageTokens, createOrganisation
    // Within an organisation: by role.
    case readOrganisation, createApp, readApp, deleteApp, createEnvironment, deleteEnvironment, readVariables,
        changeVariables, readDeployments, deploy, cancelDeployment, readLogs, readEvents, fetchCode, pushCode
    // The installation as a whole: operators.
    case readBus, decideDeadLetters

    enum Need: Sendable, Hashable {
        /// Nothing but being signed in.
        case account
        /// At least this role in the organisation at hand.
        case role(Role)
        case isOperator
    }

    var need: Need {
        switch self {
        case .readAccount, .manageTokens, .createOrganisation: .account
        case .readOrganisation, .readApp, .readDeployments, .readLogs, .readEvents, .fetchCode: .role(.viewer)
        case .createApp, .createEnvironment, .readVariables, .changeVariables, .deploy,
            .cancelDeployment, .pushCode:
            .role(.developer)
        // They destroy data.
        case .deleteApp, .deleteEnvironment: .role(.owner)
        case .readBus, .decideDeadLetters: .isOperator
        }
    }

    /// The least role that has it; `nil` where no organisation is involved.
    var roleNeeded: Role? {
        if case .role(let role) = need { role } else { nil }
    }

    func isGranted(to standing: Standing) -> Bool {
        switch (need, standing) {
        case (.account, .account): true
        case (.role(let needed), .member(let role)): role >= needed
        case (.isOperator, .installation(let isOperator)): isOperator
        // What the route is about does not go with the permission it names, a mistake in the route: denied.
        case (.account, _), (.role, _), (.isOperator, _): false
        }
    }

    /// - Parameter role: the user's role in the organisation at hand; `nil` where none is.
    func isGranted(to role: Role?) -> Bool { isGranted(to: Standing(role: role)) }
}

/// What the caller is to the thing that a request is about.
enum Standing: Sendable, Hashable {
    /// It is the caller's own.
    case account
    /// It belongs to an organisation in which the caller has this role.
    case member(Role)
    /// It is the installation as a whole.
    case installation(isOperator: Bool)

    init(role: Role?) {
        self = role.map { .member($0) } ?? .account
    }
}
