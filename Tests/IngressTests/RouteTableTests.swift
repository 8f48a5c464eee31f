// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import FoundationEssentials
import Testing

@testable import Ingress

/// A route to instances named `ins_<port>` on this machine.
func route(_ hostname: String, _ generation: Int, ports: [Int]) -> RouteDesired {
    RouteDesired(
        hostname: hostname, environment: EnvironmentID("env_1"), generation: generation,
        upstreams: ports.map { .init(instance: InstanceID("ins_\($0)"), address: "127.0.0.1", port: $0) })
}

struct RouteTableTests {
    private func makeTable(_ routes: RouteDesired...) throws -> RouteTable {
        var table = RouteTable()
        for route in routes { _ = try table.apply(route) }
        return table
    }

    private func temporaryDirectory() -> String {
        FileManager.default.temporaryDirectory.path + "/slipway-ingress-\(UInt64.random(in: 0...UInt64.max))"
    }

    @Test func aRouteIsFollowedUntilItsTombstone() throws {
        var table = try makeTable(route("a", 1, ports: [1, 2]), route("b", 2, ports: []))
        #expect(table.route(for: "a")?.upstreams.map(\.instance) == [InstanceID("ins_1"), InstanceID("ins_2")])
        #expect(table.route(for: "b")?.upstreams.isEmpty == true)
        #expect(table.route(for: "c") == nil)
        #expect(table.generation == 2)
        let removals = [table.remove("a"), table.remove("a")]
        #expect(removals == [true, false])
        #expect(table.route(for: "a") == nil)
        #expect(!table.names(InstanceID("ins_1")))
        #expect(table.generation == 2)
    }

    @Test func anOlderGenerationOfARouteChangesNothing() throws {
        var table = try makeTable(route("a", 5, ports: [1]))
        let version = table.version
        let changes = [try table.apply(route("a", 4, ports: [2])), try table.apply(route("a", 5, ports: [1]))]
        #expect(changes == [false, false])
        #expect(table.version == version)
        #expect(table.route(for: "a")?.desired.generation == 5)
    }

    @Test func anUpstreamThatStaysKeepsItsIDAndOneThatComesBackGetsANewOne() throws {
        var table = try makeTable(route("a", 1, ports: [1, 2]))
        let first = try #require(table.route(for: "a")?.upstreams)
        _ = try table.apply(route("a", 2, ports: [2, 3]))
        let second = try #require(table.route(for: "a")?.upstreams)
        #expect(second[0] == first[1])
        #expect(!table.names(upstream: first[0].id))
        #expect(table.names(upstream: second[1].id))
        _ = try table.apply(route("a", 3, ports: [1]))
        #expect(table.route(for: "a")?.upstreams[0].id != first[0].id)
    }

    @Test func anInstanceIsNamedAsLongAsOneRouteNamesIt() throws {
        var table = try makeTable(route("a", 1, ports: [1]), route("b", 2, ports: [1]))
        let id = try #require(table.route(for: "a")?.upstreams.first?.id)
        _ = table.remove("a")
        #expect(table.names(InstanceID("ins_1")))
        #expect(table.names(upstream: id))
        _ = table.remove("b")
        #expect(!table.names(InstanceID("ins_1")))
        #expect(!table.names(upstream: id))
    }

    @Test func aReloadDropsWhatTheBusDoesNotNameAndBelievesItsGenerations() throws {
        var table = RouteTable()
        table.load(RouteSnapshot(generation: 90, routes: [route("a", 80, ports: [1]), route("b", 90, ports: [2])]))
        #expect(table.isLoaded)
        #expect(table.generation == 90)
        let kept = table.route(for: "a")?.upstreams
        table.beginReload()
        _ = try table.apply(route("a", 3, ports: [1]))
        #expect(table.route(for: "b") != nil)
        table.endReload()
        #expect(table.route(for: "b") == nil)
        #expect(table.route(for: "a")?.upstreams == kept)
        #expect(table.generation == 3)
    }

    @Test(arguments: [
        RouteDesired(
            hostname: "a", environment: EnvironmentID("env_1"), generation: 1,
            upstreams: [.init(instance: InstanceID("ins_1"), address: "somewhere", port: 80)]),
        route("a", 1, ports: [0]), route("a", 1, ports: [65_536]), route("A", 1, ports: [1]), route("", 1, ports: [1]),
        route("a", 1, ports: Array(1...IngressLimits.upstreamsPerRouteMax + 1)),
    ])
    func aRouteThatCannotBeFollowedLeavesTheOneBefore(_ desired: RouteDesired) throws {
        var table = try makeTable(route("a", 0, ports: [9]))
        #expect(throws: RouteTable.Refusal.self) { try table.apply(desired) }
        #expect(table.route(for: "a")?.desired == route("a", 0, ports: [9]))
        #expect(table.names(InstanceID("ins_9")))
    }

    @Test func aSnapshotComesBackAsItWasWritten() throws {
        let directory = temporaryDirectory()
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let path = RouteSnapshot.path(in: directory)
        #expect(try RouteSnapshot.read(from: path) == nil)
        let snapshot = RouteSnapshot(try makeTable(route("b", 2, ports: [1]), route("a", 1, ports: [])))
        #expect(snapshot.routes.map(\.hostname) == ["a", "b"])
        try snapshot.write(to: path)
        #expect(try RouteSnapshot.read(from: path) == snapshot)
        try Data("{".utf8).write(to: URL(filePath: path))
        #expect(throws: (any Error).self) { try RouteSnapshot.read(from: path) }
    }

    @Test func aNodeKeepsItsIDAndRefusesAFileThatHoldsNone() throws {
        let directory = temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let id = try NodeIdentity.loadOrCreate(in: directory)
        #expect(try NodeIdentity.loadOrCreate(in: directory) == id)
        try Data("something\n".utf8).write(to: URL(filePath: directory + "/node"))
        #expect(throws: IngressError.self) { try NodeIdentity.loadOrCreate(in: directory) }
    }
}
