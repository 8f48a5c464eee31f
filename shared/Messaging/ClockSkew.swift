// SPDX-License-Identifier: Apache-2.0
import Domain
import Synchronization

/// Notices producers whose clock runs ahead.
///
/// Such an event is handled all the same, because nothing depends on `ce_time`: order is that of the offsets within
/// a partition, and the inbox is purged by the age of its rows, which the database's clock gives. Only people and
/// consumers that read the time are misled.
final class ClockSkew: Sendable {
    /// Further ahead than this, a clock is wrong.
    static let aheadMax: Duration = .seconds(300)
    static let warningInterval: Duration = .seconds(60)
    /// Of more sources at a time nothing is said: the counter tells.
    static let sourcesMax = 100

    private let warned = Mutex<[String: Timestamp]>([:])

    /// How far `time` lies in the future, when that is more than `aheadMax`.
    static func ahead(_ time: Timestamp, now: Timestamp) -> Duration? {
        let ahead = time.since(now)
        return ahead > aheadMax ? ahead : nil
    }

    /// Whether to warn of `source`: once in `warningInterval`.
    func isWarningDue(_ source: String, now: Timestamp) -> Bool {
        warned.withLock { warned in
            if let last = warned[source], now.since(last) < Self.warningInterval { return false }
            if warned.count >= Self.sourcesMax {
                warned = warned.filter { now.since($0.value) < Self.warningInterval }
            }
            guard warned.count < Self.sourcesMax else { return false }
            warned[source] = now
            return true
        }
    }
}
