// SPDX-License-Identifier: Apache-2.0
import Events

/// What the soak sends: counters count up, one event a step.
///
/// It travels on a topic of the catalogue, in a cloudspace where nobody else is, so that buses are made as the
/// services make theirs.
struct Counted: EventPayload {
    static let type = "soak.counted.v1"
    static let topic = Topic.deployments

    /// What a handler is to make of the event, when it is not to handle it.
    enum Poison: String, Codable, CaseIterable {
        /// It refuses at once.
        case refused
        /// It fails each time.
        case failing
    }

    var key: String
    /// Counts from 1 for each key, without gaps.
    var sequence: Int
    /// Of the transaction's attempt: one that was rolled back leaves its sequence to another token.
    var token: String
    var poison: Poison?
}

/// A `Counted` that no reader can read: its sequence is a text.
struct Miscounted: EventPayload {
    static let type = Counted.type
    static let topic = Counted.topic

    var key: String
    var sequence: String
    var token: String
}
