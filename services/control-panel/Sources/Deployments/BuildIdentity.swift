// SPDX-License-Identifier: Apache-2.0
import Crypto
import Domain
import Events
import FoundationEssentials

/// Names the image that a commit and its build-relevant configuration make: equal identities have one image.
enum BuildIdentity {
    /// Counts up when builders make something else of the same input.
    static let format = 1

    private struct Input: Encodable {
        var format: Int
        var tree: String
        var spec: BuildSpec
        var variables: [String: String]
    }

    private static let encoder: JSONEncoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }()

    /// - Returns: the SHA-256 of the input's canonical JSON, in hexadecimal.
    static func of(
        tree: String, spec: BuildSpec, variables: [String: Variable], environment: EnvironmentID
    ) throws -> String {
        var visible: [String: String] = [:]
        for (name, variable) in variables where variable.visibleInBuild {
            visible[name] =
                switch variable.value {
                case .plain(let value): "value \(value)"
                // Revisions count within an environment: the same number elsewhere may be another secret.
                case .sealed: "secret \(environment) \(variable.revision)"
                }
        }
        let input = Input(format: format, tree: tree, spec: spec, variables: visible)
        return SHA256.hash(data: try encoder.encode(input)).map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }
}
