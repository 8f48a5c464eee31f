// SPDX-License-Identifier: Apache-2.0

/// What keeps the ingress from starting, with its fix.
struct IngressError: Error, Sendable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
