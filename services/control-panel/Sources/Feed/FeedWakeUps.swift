// SPDX-License-Identifier: Apache-2.0
import Domain
import Synchronization

/// Which organisation's streams an event concerns, from its handler to its commit.
final class FeedWakeUps: Sendable {
    private let organisations = Mutex<[String: OrganisationID]>([:])

    /// Events whose transaction never commits stay here: past the limit they are forgotten together, and the streams
    /// of events that were among them look by themselves, `PanelLimits.streamPollInterval` later at most.
    func note(_ event: EventID, of organisation: OrganisationID) {
        organisations.withLock { organisations in
            if organisations.count >= PanelLimits.feedWakeUpsMax { organisations = [:] }
            organisations[event.rawValue] = organisation
        }
    }

    func take(_ event: String?) -> OrganisationID? {
        guard let event else { return nil }
        return organisations.withLock { $0.removeValue(forKey: event) }
    }
}
