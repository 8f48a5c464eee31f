// SPDX-License-Identifier: Apache-2.0

/// What a member is in an organisation. Each role may do what the ones below it may.
enum Role: String, Codable, Sendable, Comparable, CaseIterable {
    case viewer, developer, owner

    static func < (lhs: Role, rhs: Role) -> Bool { lhs.rank < rhs.rank }

    private var rank: Int {
        switch self {
        case .viewer: 0
        case .developer: 1
        case .owner: 2
        }
    }
}
