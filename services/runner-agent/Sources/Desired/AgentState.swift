// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import FoundationEssentials

/// What is to become of an instance, as far as this agent knows.
enum Intent: Sendable, Hashable {
    case run(InstanceDesired)
    /// Stopped, its container removed, and reported as stopped.
    case stop(InstanceDesired)
    /// Stopped, its container removed, and no longer reported. What it was, where that is known.
    case remove(InstanceDesired?)
    /// The desired state has not been read yet: hands off.
    case unknown

    var desired: InstanceDesired? {
        switch self {
        case .run(let desired), .stop(let desired): desired
        case .remove(let desired): desired
        case .unknown: nil
        }
    }
}

/// What the engine cannot tell about an instance after a restart of the agent.
struct InstanceNote: Codable, Sendable, Hashable {
    /// Start of the last run that became ready.
    var readyRun: Timestamp?
    /// How it ended for good: `exited` or `failed`.
    var outcome: InstanceObserved.Phase?
    /// The release hook was started: it must not be started again, whatever became of its container.
    var isLaunched = false

    var isEmpty: Bool { self == InstanceNote() }
}

/// The desired instances of this host and the notes on them. A value: `AgentStore` shares and keeps it.
struct AgentState: Sendable {
    private(set) var desired: [InstanceID: InstanceDesired] = [:]
    private(set) var removed: [InstanceID: InstanceDesired?] = [:]
    private(set) var notes: [InstanceID: InstanceNote] = [:]
    /// The traces of the records that said what is desired.
    private(set) var traces: [InstanceID: TraceContext] = [:]
    private(set) var isCaughtUp = false
    /// Instances the desired state named since the agent began to read it.
    private var seen: Set<InstanceID> = []

    init() {}

    mutating func want(_ instance: InstanceDesired, trace: TraceContext? = nil) {
        desired[instance.instance] = instance
        removed[instance.instance] = nil
        traces[instance.instance] = trace
        if !isCaughtUp { seen.insert(instance.instance) }
    }

    /// - Parameter trace: of the record that said so; without one, that of what was desired before stays.
    /// - Returns: whether there is anything to do about it.
    @discardableResult
    mutating func remove(_ instance: InstanceID, trace: TraceContext? = nil) -> Bool {
        let former = desired.removeValue(forKey: instance)
        // Tombstones of long ago are read again at each start. Should there be a container after all, it is found when
        // the whole of the desired state is known.
        if former == nil, !isCaughtUp, notes[instance] == nil { return false }
        let formerlyKnown: InstanceDesired? = removed[instance] ?? nil
        removed.updateValue(former ?? formerlyKnown, forKey: instance)
        if let trace { traces[instance] = trace }
        return true
    }

    /// All of the desired state has been read: what is only remembered from before is not wanted any more.
    ///
    /// - Returns: the instances that this concerns.
    mutating func catchUp() -> [InstanceID] {
        guard !isCaughtUp else { return [] }
        isCaughtUp = true
        let stale = desired.keys.filter { !seen.contains($0) }
        for instance in stale { remove(instance) }
        seen = []
        return stale
    }

    /// Forgets a removed instance for good.
    ///
    /// - Returns: whether there was anything to forget.
    mutating func forget(_ instance: InstanceID) -> Bool {
        guard desired[instance] == nil else { return false }
        let wasRemoved = removed.removeValue(forKey: instance) != nil
        let wasNoted = notes.removeValue(forKey: instance) != nil
        traces[instance] = nil
        return wasRemoved || wasNoted
    }

    mutating func note(_ instance: InstanceID, _ change: (inout InstanceNote) -> Void) -> Bool {
        let before = notes[instance] ?? InstanceNote()
        var note = before
        change(&note)
        notes[instance] = note.isEmpty ? nil : note
        return note != before
    }

    func intent(for instance: InstanceID) -> Intent {
        if let desired = desired[instance] { return desired.goal == .running ? .run(desired) : .stop(desired) }
        if let former = removed[instance] { return .remove(former) }
        return isCaughtUp ? .remove(nil) : .unknown
    }

    func usesNetwork(of environment: EnvironmentID) -> Bool {
        desired.values.contains { $0.environment == environment && $0.goal == .running }
    }

    var instances: Set<InstanceID> { Set(desired.keys).union(removed.keys).union(notes.keys) }
}

extension AgentState {
    /// The form on disk. Secrets in it are sealed to this host.
    struct Snapshot: Codable, Sendable {
        var desired: [InstanceDesired]
        var removed: [InstanceID]
        var notes: [InstanceID: InstanceNote]
        /// Absent in files of earlier versions.
        var traceparents: [InstanceID: String]?
    }

    var snapshot: Snapshot {
        Snapshot(
            desired: desired.values.sorted { $0.instance < $1.instance }, removed: removed.keys.sorted(), notes: notes,
            traceparents: traces.mapValues(\.traceparent))
    }

    init(_ snapshot: Snapshot) {
        for instance in snapshot.desired { desired[instance.instance] = instance }
        for instance in snapshot.removed { removed.updateValue(nil, forKey: instance) }
        notes = snapshot.notes
        traces = (snapshot.traceparents ?? [:]).compactMapValues(TraceContext.init(traceparent:))
    }
}
