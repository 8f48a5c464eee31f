// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Hummingbird

/// From where a reader of a feed goes on.
enum FeedPosition: Sendable, Equatable {
    /// From the oldest event kept: who never read before.
    case oldest
    /// With what happens from now on.
    case latest
    case after(Int)

    static let rule = "the id of an event, or latest"

    /// The header, which a client sends when it takes a stream up again, wins over the query.
    static func read(_ call: Call<OrganisationScope>) throws -> FeedPosition {
        if let text = call.request.headers[ServerSentEvent.lastIDHeader], !text.isEmpty {
            guard let position = FeedPosition(text), position != .latest else {
                throw Problem.malformed("Last-Event-ID is \"\(text.prefix(40))\", expected the id of an event")
            }
            return position
        }
        guard let text = call.query("after") else { return .oldest }
        guard let position = FeedPosition(text) else {
            throw Problem.invalid([.init(field: "after", message: "is \"\(text.prefix(40))\", expected \(rule)")])
        }
        return position
    }

    init?(_ text: String) {
        if text == "latest" {
            self = .latest
        } else if let sequence = Int(text), sequence >= 0 {
            self = .after(sequence)
        } else {
            return nil
        }
    }

    /// The number after which reading begins.
    ///
    /// - Throws: a problem when events after the position are not kept any more, or it lies in the future.
    func resolve(in bounds: FeedStore.Bounds) throws -> Int {
        switch self {
        case .oldest: return bounds.oldest - 1
        case .latest: return bounds.newest
        case .after(let sequence):
            guard sequence <= bounds.newest else {
                throw Problem.invalid([
                    .init(
                        field: "after",
                        message: "is \(sequence), and the newest event is \(bounds.newest): expected \(Self.rule)")
                ])
            }
            guard !Self.isGone(sequence, in: bounds) else { throw Problem.feedPositionGone(sequence, bounds) }
            return sequence
        }
    }

    /// Some event after `sequence` is not kept any more.
    static func isGone(_ sequence: Int, in bounds: FeedStore.Bounds) -> Bool { sequence + 1 < bounds.oldest }
}

extension Problem {
    static func feedPositionGone(_ sequence: Int, _ bounds: FeedStore.Bounds) -> Problem {
        Problem(
            status: .gone, code: "position-gone", title: "Position gone",
            detail:
                "the oldest event kept is \(bounds.oldest), so what came right after \(sequence) is gone: go on with "
                + "after=\(bounds.oldest - 1), and read what you missed from the API",
            errors: [.init(field: "after", message: "the oldest event kept is \(bounds.oldest)")])
    }
}
