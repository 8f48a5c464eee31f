// SPDX-License-Identifier: Apache-2.0
import Domain
import EngineClient

/// What the planner sees of an instance's container.
struct ContainerView: Sendable, Hashable {
    enum State: Sendable, Hashable {
        /// Made, never started.
        case created
        case running
        case ended
        /// Being removed or otherwise between two states.
        case changing
        /// The engine cannot do anything with it but remove it.
        case damaged
    }

    var id: String
    var state: State
    var exitCode = 0
    var wasOutOfMemory = false
    var startedAt: Timestamp?
    var finishedAt: Timestamp?
    /// Where its port is reached.
    var address: ContainerInfo.Address?

    /// What tells its current or last run from others.
    var run: Timestamp { startedAt ?? Timestamp(microseconds: 0) }
}

extension ContainerView {
    /// - Parameter port: the container's port that is published, for web instances.
    init(_ info: ContainerInfo, port: Int?) {
        let state: State =
            switch info.state {
            case .created: .created
            // A paused container was paused by someone on purpose and still counts.
            case .running, .paused: .running
            case .exited: .ended
            case .dead: .damaged
            case .restarting, .removing, .unknown: .changing
            }
        self.init(
            id: info.id, state: state, exitCode: info.exitCode, wasOutOfMemory: info.wasOutOfMemory,
            startedAt: info.startedAt, finishedAt: info.finishedAt, address: port.flatMap { info.publishedPorts[$0] })
    }
}
