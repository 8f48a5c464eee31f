// SPDX-License-Identifier: Apache-2.0
import Domain

/// Chooses hosts for the instances of a deployment. Pure: the same hosts give the same choice.
enum Placement {
    enum Outcome: Sendable, Hashable {
        /// One host for each instance, in order.
        case placed([HostID])
        /// Why not, for the developer: `2 hosts lack 512 MB of memory, 1 does not answer`.
        case refused(String)
    }

    /// Spreads `count` instances over the live hosts, each time taking the one with the most memory left.
    static func choose(
        _ count: Int, memoryBytes: Int, among hosts: [HostView], at now: Timestamp
    ) -> Outcome {
        var free = hosts.filter { $0.isLive(at: now) && $0.engineIsUp }
            .map { (id: $0.id, bytes: $0.memoryBytes - $0.reservedBytes) }
        var chosen: [HostID] = []
        for _ in 0..<count {
            let best = free.indices
                .filter { free[$0].bytes >= memoryBytes }
                .max { (free[$0].bytes, free[$1].id) < (free[$1].bytes, free[$0].id) }
            guard let best else { return .refused(refusal(hosts, memoryBytes, at: now)) }
            free[best].bytes -= memoryBytes
            chosen.append(free[best].id)
        }
        return .placed(chosen)
    }

    private static func refusal(_ hosts: [HostView], _ memoryBytes: Int, at now: Timestamp) -> String {
        if hosts.isEmpty { return "no host has joined: start slipway-runner on a host" }
        let lost = hosts.count { !$0.isLive(at: now) }
        let engineless = hosts.count { $0.isLive(at: now) && !$0.engineIsUp }
        let full = hosts.count - lost - engineless
        func phrase(_ count: Int, _ one: String, _ many: String) -> String? {
            count == 0 ? nil : "\(count) \(count == 1 ? "host \(one)" : "hosts \(many)")"
        }
        let memory = "\(memoryBytes >> 20) MB of memory for another instance"
        return [
            phrase(full, "lacks \(memory)", "lack \(memory)"),
            phrase(engineless, "has no running container engine", "have no running container engine"),
            phrase(lost, "does not answer", "do not answer"),
        ].compactMap { $0 }.joined(separator: ", ")
    }
}
