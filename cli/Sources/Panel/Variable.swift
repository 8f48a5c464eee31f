// SPDX-License-Identifier: Apache-2.0
import Domain

struct Variable: Decodable, Sendable {
    var name: String
    /// Never there for a secret.
    var value: String?
    var isSecret: Bool
    var visibleInBuild: Bool?
    var updatedAt: Timestamp?
}

/// A change of several variables, made as one.
struct VariableChange: Encodable, Equatable {
    struct Value: Encodable, Equatable {
        var value: String
        var isSecret: Bool
        var visibleInBuild: Bool
    }

    var set: [String: Value] = [:]
    var unset: [String] = []
}

/// The part of the answer to a change that tells which deployment makes it take effect.
struct VariableChangeResult: Decodable, Sendable {
    var deployment: Deployment?
}
