// SPDX-License-Identifier: Apache-2.0

/// Hosts by name, zone and labels, and for each rule in use the set of hosts that match it.
///
/// A pattern is tried once on each distinct value, and after that only on hosts that join or change.
struct AttributeIndex: Sendable {
    private struct Rule: Hashable {
        let subject: Affinity.Subject
        let pattern: Pattern
    }

    private var slotsByValue: [Affinity.Subject: [String: [Int]]] = [:]
    private var remembered: [Rule: HostSet] = [:]

    mutating func insert(_ host: Host, at slot: Int) {
        for (subject, value) in Self.attributes(of: host) {
            slotsByValue[subject, default: [:]][value, default: []].append(slot)
            for (rule, _) in remembered where rule.subject == subject && rule.pattern.matches(value) {
                remembered[rule]?.insert(slot)
            }
        }
    }

    mutating func remove(_ host: Host, at slot: Int) {
        for (subject, value) in Self.attributes(of: host) {
            slotsByValue[subject]?[value]?.removeAll { $0 == slot }
            if slotsByValue[subject]?[value]?.isEmpty == true { slotsByValue[subject]?[value] = nil }
            if slotsByValue[subject]?.isEmpty == true { slotsByValue[subject] = nil }
            for (rule, _) in remembered where rule.subject == subject { remembered[rule]?.remove(slot) }
        }
    }

    /// Keeps the matching hosts of rules that are about to be asked for again and again.
    mutating func remember(_ affinities: [Affinity]) {
        for affinity in affinities where affinity.subject != .service {
            let rule = Rule(subject: affinity.subject, pattern: affinity.pattern)
            guard remembered[rule] == nil else { continue }
            if remembered.count >= SchedulerLimits.rememberedRulesMax { remembered.removeAll() }
            remembered[rule] = find(rule)
        }
    }

    /// The hosts that the rule speaks of, its negation left aside. Not for rules about services.
    func hosts(matching affinity: Affinity) -> HostSet {
        let rule = Rule(subject: affinity.subject, pattern: affinity.pattern)
        return remembered[rule] ?? find(rule)
    }

    /// Whether any host has the label of this rule, or a name or zone at all.
    func isKnown(_ subject: Affinity.Subject) -> Bool { slotsByValue[subject] != nil }

    private func find(_ rule: Rule) -> HostSet {
        var hosts = HostSet()
        let values = slotsByValue[rule.subject] ?? [:]
        if case .literal(let value) = rule.pattern { return HostSet(values[value] ?? []) }
        for (value, slots) in values where rule.pattern.matches(value) {
            for slot in slots { hosts.insert(slot) }
        }
        return hosts
    }

    private static func attributes(of host: Host) -> [(Affinity.Subject, String)] {
        [(.node, host.name), (.zone, host.zone)] + host.labels.map { (.label($0.key), $0.value) }
    }
}
