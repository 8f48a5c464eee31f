// SPDX-License-Identifier: Apache-2.0
import Domain
import EngineClient
import Events
import FoundationEssentials

@testable import RunnerAgent

/// Values that tests begin from.
enum Sample {
    static let host = HostID("hst_1")
    static let start = Timestamp(microseconds: 1_700_000_000_000_000)
    static let address = ContainerInfo.Address(host: "127.0.0.1", port: 49_152)

    static func at(_ seconds: Double) -> Timestamp { start.advanced(by: .milliseconds(Int(seconds * 1_000))) }

    static func web(
        _ instance: String = "ins_1", goal: InstanceDesired.Goal = .running, deadlineMilliseconds: Int = 60_000
    ) -> InstanceDesired {
        let web = WebSpec(
            command: ["serve"], port: 8000,
            health: HealthCheck(path: "/healthz", deadlineMilliseconds: deadlineMilliseconds), stopGraceSeconds: 7)
        return desired(instance, role: .web(web), goal: goal)
    }

    static func release(goal: InstanceDesired.Goal = .running, timeoutSeconds: Int = 300) -> InstanceDesired {
        desired("ins_1", role: .release(HookSpec(command: ["migrate"], timeoutSeconds: timeoutSeconds)), goal: goal)
    }

    static func desired(
        _ instance: String, role: InstanceDesired.Role, goal: InstanceDesired.Goal
    ) -> InstanceDesired {
        InstanceDesired(
            instance: InstanceID(instance), host: host, environment: EnvironmentID("env_1"),
            deployment: DeploymentID("dpl_1"), organisation: "acme", app: "shop", role: role, goal: goal,
            image: "sha256:1", environmentVariables: ["GREETING": "hello", "PORT": "1"], secrets: nil,
            mounts: ["/data": MountSpec(sizeBytes: 1 << 20)],
            resources: ResourceSpec(memoryBytes: 256 << 20, cpuMillis: 500, pidsMax: 100))
    }

    static func container(
        _ state: ContainerView.State, exitCode: Int = 0, startedAt: Timestamp? = start, finishedAt: Timestamp? = nil,
        address: ContainerInfo.Address? = Sample.address
    ) -> ContainerView {
        ContainerView(
            id: "c1", state: state, exitCode: exitCode, startedAt: startedAt, finishedAt: finishedAt,
            address: state == .running ? address : nil)
    }

    static func temporaryFolder() throws -> String {
        let path = FileManager.default.temporaryDirectory.path + "/slipway-\(UInt64.random(in: 0...UInt64.max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }
}
