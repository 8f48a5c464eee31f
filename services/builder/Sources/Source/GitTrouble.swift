// SPDX-License-Identifier: Apache-2.0

/// What a complaint of git means. Git tells in its text only.
enum GitTrouble: Sendable, Hashable {
    /// The same command may succeed later.
    case transient
    case denied
    case missing
    case diskFull
    case other

    init(_ complaint: String) {
        let text = complaint.lowercased()
        func mentions(_ phrases: [String]) -> Bool { phrases.contains { text.contains($0) } }
        if mentions(["no space left on device"]) {
            self = .diskFull
        } else if mentions([
            "authentication failed", "could not read username", "could not read password", "returned error: 401",
            "returned error: 403",
        ]) {
            self = .denied
        } else if mentions(["returned error: 404", "not our ref", "not found", "couldn't find remote ref"]) {
            self = .missing
        } else if mentions([
            "failed to connect", "couldn't connect", "connection refused", "connection reset", "connection timed out",
            "could not resolve", "empty reply", "early eof", "hung up unexpectedly", "returned error: 5",
            "returned error: 429", "rpc failed", "operation too slow", "operation timed out", "unexpected disconnect",
            "recv failure", "send failure",
        ]) {
            self = .transient
        } else {
            self = .other
        }
    }
}
