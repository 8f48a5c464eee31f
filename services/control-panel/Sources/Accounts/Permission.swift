// SPDX-License-Identifier: Apache-2.0

/// What an endpoint needs. There is no endpoint without one, and nothing is granted that is not granted here.
enum Permission: String, Sendable, CaseIterable {
    // One's own account: any signed-in user.
    case readAccount, manageTokens, createOrganisation
    // Within an organisation: by role.
    case readOrganisation, createApp, readApp, deleteApp, createEnvironment, deleteEnvironment, readVariables,
        changeVariables, readDeployments, deploy, cancelDeployment, readLogs, fetchCode, pushCode

    /// The least role that has it; `nil` where no organisation is involved.
    var roleNeeded: Role? {
        switch self {
        case .readAccount, .manageTokens, .createOrganisation: nil
        case .readOrganisation, .readApp, .readDeployments, .readLogs, .fetchCode: .viewer
        case .createApp, .createEnvironment, .readVariables, .changeVariables, .deploy,
            .cancelDeployment, .pushCode:
            .developer
        // They destroy data.
        case .deleteApp, .deleteEnvironment: .owner
        }
    }

    /// - Parameter role: the user's role in the organisation at hand; `nil` where none is.
    func isGranted(to role: Role?) -> Bool {
        switch (roleNeeded, role) {
        case (nil, nil): true
        case (let needed?, let role?): role >= needed
        // An organisation's thing without a role, or the other way round, is a mistake in a route: denied.
        case (nil, _?), (_?, nil): false
        }
    }
}
