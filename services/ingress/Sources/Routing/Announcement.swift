// SPDX-License-Identifier: Apache-2.0
import Domain

/// Decides when the world is told what this node serves: at once when that changes, and as a sign of life.
struct Announcement: Equatable {
    private var generation: Int?
    private var draining: [InstanceID: Int] = [:]
    private var publishedAt: ContinuousClock.Instant?

    /// Never less than what was announced before.
    func announceable(_ served: Int) -> Int { max(generation ?? served, served) }

    func isDue(generation served: Int, draining now: [InstanceID: Int], at time: ContinuousClock.Instant) -> Bool {
        announceable(served) != generation || draining != now || untilHeartbeat(at: time) <= .zero
    }

    mutating func published(generation: Int, draining: [InstanceID: Int], at time: ContinuousClock.Instant) {
        self.generation = generation
        self.draining = draining
        publishedAt = time
    }

    func untilHeartbeat(at time: ContinuousClock.Instant) -> Duration {
        guard let publishedAt else { return .zero }
        return publishedAt + IngressIntervals.heartbeat - time
    }
}
