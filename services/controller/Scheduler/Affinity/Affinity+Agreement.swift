// SPDX-License-Identifier: Apache-2.0

extension Affinity {
    /// Throws when two rules can never both hold, whatever hosts there are. Wishes may contradict one another.
    ///
    /// Found are contradictions between names, and between a name and an expression; whether two expressions can
    /// both match is left to the hosts.
    static func checkAgreement(of affinities: [Affinity]) throws(SchedulerError) {
        let demands = affinities.filter { !$0.isSoft }
        for (index, demand) in demands.enumerated() where !demand.isNegated {
            for (otherIndex, other) in demands.enumerated() where other.subject == demand.subject {
                let isRuledOut =
                    other.isNegated
                    ? demand.isRuledOut(by: other) : otherIndex != index && demand.isElsewhereThan(other)
                if isRuledOut {
                    throw SchedulerError(
                        .contradictoryAffinities,
                        "no host can ever meet both \(demand) and \(other): remove one of them")
                }
            }
        }
    }

    /// Whatever matches this rule matches `other`, which forbids it.
    private func isRuledOut(by other: Affinity) -> Bool {
        if other.pattern == pattern || other.pattern == .any { return true }
        if case .literal(let value) = pattern { return other.pattern.matches(value) }
        return false
    }

    /// A host has one name, one zone and one value of a label, but any number of services.
    private func isElsewhereThan(_ other: Affinity) -> Bool {
        guard subject != .service, case .literal(let value) = pattern else { return false }
        return !other.pattern.matches(value)
    }
}
