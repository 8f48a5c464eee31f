// SPDX-License-Identifier: Apache-2.0
import Events
import FoundationEssentials
import Messaging
import Postgres

enum Handlers {
    static let group = "soak"
    static let lettersGroup = "soak-letters"

    private struct AlwaysFails: Error {}

    /// Enters each event in `effects`, with the sequence that was the last of its key until then.
    static func counting() -> EventHandlers {
        var handlers = EventHandlers()
        handlers.on(Counted.self) { event, transaction in
            let counted = event.data
            switch counted.poison {
            case .refused: throw RejectedEvent("poison")
            case .failing: throw AlwaysFails()
            case nil: break
            }
            // Whoever holds the key's row draws the next position, so that positions tell the order of commits.
            let rows = try await transaction.query(
                """
                WITH last AS (SELECT key, sequence FROM progress WHERE key = \(counted.key) FOR UPDATE)
                UPDATE progress SET sequence = greatest(last.sequence, \(counted.sequence)) FROM last
                WHERE progress.key = last.key RETURNING last.sequence AS previous
                """)
            guard let previous = try rows.first?.int("previous") else {
                throw RejectedEvent("there is no key \(counted.key)")
            }
            try await transaction.query(
                """
                INSERT INTO effects (key, sequence, token, previous)
                VALUES (\(counted.key), \(counted.sequence), \(counted.token), \(previous))
                """)
        }
        return handlers
    }

    /// Enters what the other group has parked in `letters`.
    static func collectingLetters() -> EventHandlers {
        var handlers = EventHandlers()
        handlers.on(DeadLetter.self) { event, transaction in
            guard event.data.consumer == group else { return }
            let parked = try Parked(event.data.value)
            try await transaction.query(
                "INSERT INTO letters VALUES (\(parked.key), \(parked.sequence), \(parked.token), \(event.data.cause))")
        }
        return handlers
    }

    private struct Parked {
        var key: String
        var sequence: Int
        var token: String

        init(_ value: String?) throws {
            let data = Data((value ?? "").utf8)
            if let counted = try? JSONDecoder().decode(Counted.self, from: data) {
                (key, sequence, token) = (counted.key, counted.sequence, counted.token)
            } else {
                let miscounted = try JSONDecoder().decode(Miscounted.self, from: data)
                guard let number = Int(miscounted.sequence) else { throw RejectedEvent("not of this soak") }
                (key, sequence, token) = (miscounted.key, number, miscounted.token)
            }
        }
    }
}
