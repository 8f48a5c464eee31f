// SPDX-License-Identifier: Apache-2.0
import Domain

/// The time of one instance that is charged.
///
/// It begins when the instance is ready for the first time and ends when its container is seen to be gone, or to have
/// failed; restarts in between belong to it, since its memory stays reserved. All times are of the clock of its host,
/// so that a host whose clock is wrong is charged the right durations.
struct UsageSpan: Sendable, Hashable {
    var instance: InstanceID
    var memoryBytes: Int
    var startedAt: Timestamp
    /// `nil` while it runs.
    var endedAt: Timestamp?
    var chargedUntil: Timestamp
    /// The host's last sign of life: whether the instance runs any longer is not known.
    var knownUntil: Timestamp?

    /// How far it can be charged now. Before `chargedUntil` when its end became known too late.
    var chargeableUntil: Timestamp {
        if let endedAt { return max(startedAt, endedAt) }
        return max(chargedUntil, knownUntil ?? chargedUntil)
    }
}

/// Usage that is not recorded yet: less than a unit of each, or, negative, what was charged too much.
struct UsageRemainder: Sendable, Hashable {
    var instanceSeconds = 0.0
    var memoryMebibyteSeconds = 0.0
}

/// What one environment is charged for one period.
struct UsageCharge: Sendable, Hashable {
    var instanceSeconds: Int
    /// Of the memory limits, whatever is used of them.
    var memoryMebibyteSeconds: Int
    /// Goes into the next charge.
    var remainder: UsageRemainder
    /// What each span is charged up to by now.
    var chargedUntil: [InstanceID: Timestamp]

    /// Charges everything between what each span was charged up to and what is known of it.
    ///
    /// Over any number of charges the amounts of a span add up to its length: fractions go into the following charge,
    /// and an end that lies before what was charged already is taken off it.
    static func of(_ spans: [UsageSpan], remainder: UsageRemainder) -> UsageCharge {
        var total = remainder
        var chargedUntil: [InstanceID: Timestamp] = [:]
        for span in spans {
            let until = span.chargeableUntil
            guard until != span.chargedUntil else { continue }
            let seconds = until.since(span.chargedUntil).inSeconds
            total.instanceSeconds += seconds
            total.memoryMebibyteSeconds += seconds * Double(span.memoryBytes) / 1_048_576
            chargedUntil[span.instance] = until
        }
        let (instanceSeconds, memory) = (whole(total.instanceSeconds), whole(total.memoryMebibyteSeconds))
        return UsageCharge(
            instanceSeconds: instanceSeconds, memoryMebibyteSeconds: memory,
            remainder: UsageRemainder(
                instanceSeconds: total.instanceSeconds - Double(instanceSeconds),
                memoryMebibyteSeconds: total.memoryMebibyteSeconds - Double(memory)),
            chargedUntil: chargedUntil)
    }

    private static func whole(_ amount: Double) -> Int { Int(max(0, amount)) }
}
