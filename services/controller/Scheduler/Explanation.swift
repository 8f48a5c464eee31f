// SPDX-License-Identifier: Apache-2.0
import Domain

/// Why an instance was not placed. Its description is made for the developer whose deployment waits:
/// `3 hosts lack 512 MB of memory, 1 is draining, 2 refused by affinity zone==b`.
public enum Explanation: Hashable, Sendable {
    case noHosts
    /// Every host is counted once: under the first rule that it fails, in the order of `Reason`'s cases from `state`
    /// on, or else under the first thing it lacks.
    case hosts([Tally])
    /// A rule names what no host has, most likely by a slip of the pen.
    case unmatched(Affinity, Unmatched)
    /// The host that holds the instance's volume cannot take it.
    case volume(VolumeLocation, hostName: String, Reason)
    case volumeHostUnknown(VolumeLocation)
    case instanceExists(InstanceID)

    public struct Tally: Hashable, Sendable {
        public let reason: Reason
        public let hosts: Int
    }

    /// Why one host does not take the instance.
    public enum Reason: Hashable, Sendable {
        case lacksMemory(bytes: Int)
        case lacksCPU(millicores: Int)
        case lacksDisk(bytes: Int)
        case portTaken(UInt16)
        case runsOneAlready
        case state(Host.State)
        case noEngine
        case diskPressure
        case notFor(Workload.Purpose)
        case affinity(Affinity)
    }

    /// What of a rule no host has.
    public enum Unmatched: Hashable, Sendable { case label, value }
}

extension Explanation: CustomStringConvertible {
    public var description: String {
        switch self {
        case .noHosts: "no host has joined: start slipway-runner on a host"
        case .hosts(let tallies): Self.text(of: tallies)
        case .unmatched(let affinity, let what): affinity.unmatchedText(what)
        case .volume(let volume, let hostName, let reason):
            "volume \(volume.name) is on host \(hostName), which \(reason.sentence)"
        case .volumeHostUnknown(let volume):
            "volume \(volume.name) is on host \(volume.host), which is not part of this cloudspace any more"
        case .instanceExists(let instance): "instance \(instance) is placed already"
        }
    }

    /// `3 hosts lack 512 MB of memory, 1 is draining`: the first says what is counted.
    public static func text(of tallies: [Tally]) -> String {
        tallies.enumerated().map { index, tally in
            let noun = index > 0 ? "" : tally.hosts == 1 ? " host" : " hosts"
            return "\(tally.hosts)\(noun) \(tally.reason.clause(isPlural: tally.hosts != 1))"
        }.joined(separator: ", ")
    }
}

extension Explanation.Reason {
    /// What follows the number of hosts.
    func clause(isPlural: Bool) -> String {
        let lack = isPlural ? "lack" : "lacks"
        let have = isPlural ? "have" : "has"
        let be = isPlural ? "are" : "is"
        return switch self {
        case .lacksMemory(let bytes): "\(lack) \(Self.megabytes(bytes)) of memory"
        case .lacksCPU(let millicores): "\(lack) \(millicores) millicores of CPU"
        case .lacksDisk(let bytes): "\(lack) \(Self.megabytes(bytes)) of disk"
        case .portTaken(let port): "\(have) port \(port) taken"
        case .runsOneAlready: isPlural ? "run one already" : "runs one already"
        case .state(let state): "\(be) \(state.rawValue)"
        case .noEngine: "\(have) no running container engine"
        case .diskPressure: "\(be) under disk pressure"
        case .notFor(.run): "\(be) for builds only"
        case .notFor(.build): "\(be) not for builds"
        case .affinity(let affinity): "refused by affinity \(affinity)"
        }
    }

    /// What follows one host's name.
    var sentence: String {
        if case .affinity = self { return "is \(clause(isPlural: false))" }
        return clause(isPlural: false)
    }

    /// Rounded up: what is missing is never said to be less than it is.
    private static func megabytes(_ bytes: Int) -> String { "\((bytes + (1 << 20) - 1) >> 20) MB" }
}
