// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Testing

@testable import Controller

struct EnvironmentPlannerTests {
    private let first = DeploymentID("dpl_1")
    private let second = DeploymentID("dpl_2")

    private func deployed(_ world: inout SimulatedWorld, instances: Int = 1) throws {
        world.push(try SimulatedWorld.request("dpl_1", instances: instances))
        world.run(seconds: 120)
        try #require(world.finished[first] == true)
    }

    @Test func aFirstDeploymentBuildsProvisionsReleasesStartsAndSwitches() throws {
        var world = SimulatedWorld(seed: 1)
        world.push(try SimulatedWorld.request("dpl_1", instances: 2, release: true, service: true))
        world.run(seconds: 200)
        #expect(world.finished[first] == true)
        #expect(world.view.current == first)
        #expect(world.view.routes.first?.upstreams.count == 2)
        // The release instance is gone, the two web instances stay.
        #expect(world.view.instances.map(\.role) == [.web, .web])
        #expect(world.violations.isEmpty, "\(world.violations)")
    }

    @Test func aKnownImageIsNotBuiltAgain() throws {
        var world = SimulatedWorld(seed: 2)
        world.view.knownImage = "sha256:known"
        world.push(try SimulatedWorld.request("dpl_1"))
        let plan = EnvironmentPlanner.plan(world.view, now: world.now)
        #expect(plan.actions.first == .useImage("sha256:known", wasReused: true, first))
    }

    @Test func aRollbackUsesItsImageAndNeedsNoBuild() throws {
        var world = SimulatedWorld(seed: 3)
        world.push(try SimulatedWorld.request("dpl_1", image: "sha256:old"))
        world.run(seconds: 60)
        #expect(world.finished[first] == true)
        #expect(world.view.routes.first?.upstreams.isEmpty == false)
    }

    @Test func theNextDeploymentReplacesTheInstancesAndTheOldOnesGo() throws {
        var world = SimulatedWorld(seed: 4)
        try deployed(&world, instances: 2)
        world.push(try SimulatedWorld.request("dpl_2", instances: 3))
        world.run(seconds: 200)
        #expect(world.view.current == second)
        #expect(world.view.instances.allSatisfy { $0.deployment == second })
        #expect(world.view.instances.count == 3)
        #expect(world.violations.isEmpty, "\(world.violations)")
    }

    @Test(arguments: ["build", "release", "start"])
    func aFailureAtAnyStageLeavesTheOldVersionServing(stage: String) throws {
        var world = SimulatedWorld(seed: 5)
        try deployed(&world)
        let before = world.view.routes
        world.push(
            try SimulatedWorld.request("dpl_2", image: stage == "build" ? nil : "i", release: stage == "release"))
        world.failurePercent = 100
        world.run(seconds: 200)
        #expect(world.finished[second] == false)
        #expect(world.reasons[second]?.isEmpty == false)
        #expect(world.view.current == first)
        #expect(world.view.routes.map(\.upstreams) == before.map(\.upstreams))
        #expect(world.view.instances.allSatisfy { $0.deployment == first })
    }

    @Test func aServiceThatFailedOnceIsAskedForAgainByTheNextDeployment() throws {
        var world = SimulatedWorld(seed: 12)
        world.failurePercent = 100
        world.push(try SimulatedWorld.request("dpl_1", image: "i", service: true))
        world.run(seconds: 60)
        #expect(world.reasons[first] == "service db cannot be provisioned: no room")
        world.failurePercent = 0
        world.push(try SimulatedWorld.request("dpl_2", image: "i", service: true))
        world.run(seconds: 60)
        #expect(world.finished[second] == true)
        #expect(world.view.services.count == 1)
    }

    @Test func anInstanceThatEndsDuringTheSwitchFailsTheDeploymentAndTheOldVersionServes() throws {
        var world = SimulatedWorld(seed: 13)
        try deployed(&world)
        let old = world.view.instances.map(\.id)
        world.push(try SimulatedWorld.request("dpl_2", image: "i"))
        while world.view.queue.first?.stage != .switching { world.run(seconds: 1) }
        for instance in world.view.instances where instance.deployment == second { world.crash(instance.id) }
        world.run(seconds: 60)
        #expect(world.finished[second] == false)
        #expect(world.view.current == first)
        #expect(world.view.routes.flatMap { $0.upstreams.map(\.instance) } == old)
        #expect(world.violations.isEmpty, "\(world.violations)")
    }

    @Test func withoutALiveIngressAnOldInstanceIsKeptUntilTheDrainDeadline() throws {
        var world = SimulatedWorld(seed: 14)
        try deployed(&world)
        world.view.instances[0].retiredAt = nil
        world.view.routes[0].upstreams = []
        world.view.current = nil
        for index in world.view.nodes.indices {
            world.view.nodes[index].heartbeatAt = world.now.advanced(by: .seconds(-600))
        }
        let retired = EnvironmentPlanner.plan(world.view, now: world.now)
        #expect(retired.actions == [.retireInstance(world.view.instances[0].id)])
        world.view.instances[0].retiredAt = world.now
        #expect(EnvironmentPlanner.plan(world.view, now: world.now).actions.isEmpty)
        let later = world.now.advanced(by: ControllerLimits.drainMax)
        #expect(
            EnvironmentPlanner.plan(world.view, now: later).actions == [.stopInstance(world.view.instances[0].id)])
    }

    @Test func aDeploymentOfADeletedEnvironmentFailsAndBringsNothingBack() throws {
        var world = SimulatedWorld(seed: 15)
        world.view.isRemoved = true
        world.view.isTornDown = true
        world.push(try SimulatedWorld.request("dpl_1"))
        world.run(seconds: 30)
        #expect(world.finished[first] == false)
        #expect(world.view.instances.isEmpty)
        #expect(world.view.routes.isEmpty)
    }

    @Test func anIngressNodeThatDiedIsNotWaitedForLongerThanItsHeartbeatIsTrusted() throws {
        var world = SimulatedWorld(seed: 6)
        world.push(try SimulatedWorld.request("dpl_1", image: "i"))
        world.deadNodes = [world.view.nodes[1].id]
        world.run(seconds: 45)
        #expect(world.finished[first] == true)
    }

    @Test func withoutAnyIngressTheDeploymentFailsAndSaysWhatToStart() throws {
        var world = SimulatedWorld(seed: 7)
        world.push(try SimulatedWorld.request("dpl_1", image: "i"))
        world.deadNodes = Set(world.view.nodes.map(\.id))
        world.run(seconds: 200)
        #expect(world.finished[first] == false)
        #expect(world.reasons[first]?.contains("start slipway-ingress") == true)
        #expect(world.view.instances.isEmpty)
    }

    @Test func withoutAHostTheDeploymentFailsAndNamesTheReason() throws {
        var world = SimulatedWorld(seed: 8)
        world.deadHosts = [world.view.hosts[0].id]
        world.view.hosts[0].heartbeatAt = world.now.advanced(by: .seconds(-60))
        world.view.hosts[1].memoryBytes = 1 << 20
        world.push(try SimulatedWorld.request("dpl_1", image: "i"))
        world.run(seconds: 100)
        #expect(
            world.reasons[first]
                == "no host can run it: 1 host lacks 512 MB of memory for another instance, 1 host does not answer")
        // Told once while it waits, not only at the end.
        #expect(world.notes == ["1 host lacks 512 MB of memory for another instance, 1 host does not answer"])
    }

    @Test func aRequestThatNeverEndsHoldsTheOldInstanceOnlyUntilTheDrainDeadline() throws {
        var world = SimulatedWorld(seed: 9)
        try deployed(&world)
        world.stuckRequests = Set(world.view.instances.map(\.id))
        world.push(try SimulatedWorld.request("dpl_2", image: "i"))
        world.run(seconds: 25)
        #expect(world.view.instances.contains { $0.deployment == first && $0.goal == .running })
        world.run(seconds: 60)
        #expect(world.view.instances.allSatisfy { $0.deployment == second })
    }

    @Test func aQueuedDeploymentCanBeCancelledWithoutTouchingTheRunningOne() throws {
        var world = SimulatedWorld(seed: 10)
        world.push(try SimulatedWorld.request("dpl_1"))
        world.push(try SimulatedWorld.request("dpl_2"))
        world.cancel(second)
        world.run(seconds: 120)
        #expect(world.finished == [first: true, second: false])
        #expect(world.reasons[second] == EnvironmentPlanner.cancelledReason)
    }

    @Test func aDeletedEnvironmentLeavesNothing() throws {
        var world = SimulatedWorld(seed: 11)
        try deployed(&world, instances: 2)
        world.push(try SimulatedWorld.request("dpl_2"))
        world.view.isRemoved = true
        world.run(seconds: 60)
        #expect(world.view.instances.isEmpty)
        #expect(world.view.routes.isEmpty)
        #expect(world.finished[second] == false)
    }

    /// Any interleaving of pushes, cancels, failures and dying ingress nodes: each deployment ends once, nothing that
    /// is routed to is stopped, and when the faults stop the world comes to rest with only the current release.
    @Test(arguments: UInt64(1)...120)
    func randomHistoriesEndWellWhateverHappens(seed: UInt64) throws {
        var world = SimulatedWorld(seed: seed)
        world.failurePercent = Int(seed % 4) * 15
        var pushed = 0
        for _ in 0..<12 {
            switch Int.random(in: 0..<10, using: &world.random) {
            case 0..<5:
                pushed += 1
                world.push(
                    try SimulatedWorld.request(
                        "dpl_\(pushed)", image: Bool.random(using: &world.random) ? "i" : nil,
                        instances: Int.random(in: 1...3, using: &world.random),
                        release: Bool.random(using: &world.random), service: Bool.random(using: &world.random)))
            case 5:
                world.cancel(DeploymentID("dpl_\(pushed)"))
            case 6:
                world.deadNodes = [world.view.nodes[Int.random(in: 0..<2, using: &world.random)].id]
            case 7:
                world.deadNodes = []
            default: break
            }
            world.run(seconds: Int.random(in: 1...40, using: &world.random))
        }
        world.failurePercent = 0
        world.deadNodes = []
        world.run(seconds: 1200)
        #expect(world.violations.isEmpty, "seed \(seed): \(world.violations)")
        #expect(world.finished.count == pushed, "seed \(seed)")
        #expect(world.view.queue.isEmpty, "seed \(seed)")
        #expect(world.view.instances.allSatisfy { $0.deployment == world.view.current && $0.goal == .running })
        if let current = world.view.current {
            #expect(world.finished[current] == true)
            let running = world.view.instances.map(\.id).sorted()
            #expect(world.view.routes.flatMap { $0.upstreams.map(\.instance) }.sorted() == running, "seed \(seed)")
        }
        #expect(EnvironmentPlanner.plan(world.view, now: world.now).actions.isEmpty)
    }
}

struct PlacementTests {
    private let now = Timestamp(microseconds: 0)

    private func host(_ name: String, free: Int, engineIsUp: Bool = true, age: Duration = .zero) -> HostView {
        HostView(
            id: HostID(name), name: name, memoryBytes: 10 << 30, reservedBytes: (10 << 30) - free,
            engineIsUp: engineIsUp, heartbeatAt: now.advanced(by: .zero - age))
    }

    @Test func instancesSpreadOverHostsWithRoom() {
        let hosts = [host("a", free: 2 << 30), host("b", free: 3 << 30), host("c", free: 1 << 20)]
        let outcome = Placement.choose(3, memoryBytes: 1 << 30, among: hosts, at: now)
        #expect(outcome == .placed([HostID("b"), HostID("a"), HostID("b")]))
    }

    @Test func aRefusalCountsHostsByReason() {
        let hosts = [
            host("a", free: 1), host("b", free: 2), host("c", free: 9 << 30, engineIsUp: false),
            host("d", free: 9 << 30, age: .seconds(60)),
        ]
        #expect(
            Placement.choose(1, memoryBytes: 256 << 20, among: hosts, at: now)
                == .refused(
                    "2 hosts lack 256 MB of memory for another instance, 1 host has no running container engine, "
                        + "1 host does not answer"))
        #expect(
            Placement.choose(1, memoryBytes: 1, among: [], at: now)
                == .refused("no host has joined: start slipway-runner on a host"))
    }
}
