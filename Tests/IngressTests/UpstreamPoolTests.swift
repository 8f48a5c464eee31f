// SPDX-License-Identifier: Apache-2.0
import Domain
import NIOCore
import Testing

@testable import Ingress

struct UpstreamPoolTests {
    private final class Connection {}

    private func makeTable(_ ports: [Int]) throws -> RouteTable {
        var table = RouteTable()
        _ = try table.apply(route("a", 1, ports: ports))
        return table
    }

    private func makeUpstreams(_ table: RouteTable) throws -> [RouteTable.Upstream] {
        try #require(table.route(for: "a")?.upstreams)
    }

    private func at(_ seconds: Int64) -> NIODeadline { .uptimeNanoseconds(0) + .seconds(seconds) }

    @Test func equalsTakeTurns() throws {
        var pool = UpstreamPool<Connection>()
        let upstreams = try makeUpstreams(makeTable([1, 2, 3]))
        var chosen: [Int: Int] = [:]
        for _ in 0..<30 {
            guard case .chosen(let upstream) = pool.choose(from: upstreams, excluding: []) else { continue }
            chosen[upstream.id, default: 0] += 1
        }
        #expect(chosen.values.sorted() == [10, 10, 10])
    }

    @Test func theOneWithTheFewestRequestsInFlightIsChosen() throws {
        var pool = UpstreamPool<Connection>()
        let upstreams = try makeUpstreams(makeTable([1, 2, 3]))
        pool.begin(upstreams[0])
        pool.begin(upstreams[0])
        pool.begin(upstreams[2])
        let choices = (0..<3).map { _ in pool.choose(from: upstreams, excluding: []) }
        #expect(choices == Array(repeating: .chosen(upstreams[1]), count: 3))
        let second = pool.choose(from: upstreams, excluding: [upstreams[1].id])
        #expect(second == .chosen(upstreams[2]))
        let none = [pool.choose(from: upstreams, excluding: upstreams.map(\.id)), pool.choose(from: [], excluding: [])]
        #expect(none == [.exhausted, .exhausted])
    }

    @Test func anInstanceTakesOnlySoManyRequests() throws {
        var pool = UpstreamPool<Connection>()
        let upstreams = try makeUpstreams(makeTable([1]))
        for _ in 0..<IngressLimits.upstreamInFlightMax { pool.begin(upstreams[0]) }
        let full = pool.choose(from: upstreams, excluding: [])
        #expect(full == .saturated)
        let isDrained = pool.end(upstreams[0])
        #expect(!isDrained)
        let free = pool.choose(from: upstreams, excluding: [])
        #expect(free == .chosen(upstreams[0]))
    }

    @Test func theConnectionUsedLastIsTakenUnlessItIsTooOld() throws {
        var pool = UpstreamPool<Connection>()
        let upstream = try makeUpstreams(makeTable([1]))[0]
        let (first, second) = (Connection(), Connection())
        pool.begin(upstream)
        let areKept = [pool.keep(first, for: upstream, now: at(1)), pool.keep(second, for: upstream, now: at(2))]
        #expect(areKept == [true, true])
        let tooOld = pool.takeIdle(upstream, now: at(10), ageMax: .seconds(7))
        #expect(tooOld == nil)
        let taken = pool.takeIdle(upstream, now: at(10), ageMax: .seconds(8))
        #expect(taken === second)
        pool.forget(first, of: upstream)
        let forgotten = pool.takeIdle(upstream, now: at(2), ageMax: .seconds(60))
        #expect(forgotten == nil)
    }

    @Test func onlySoManyConnectionsAreKept() throws {
        var pool = UpstreamPool<Connection>()
        let upstream = try makeUpstreams(makeTable([1]))[0]
        pool.begin(upstream)
        let areKept = (0...IngressLimits.upstreamIdleMax).map { _ in
            pool.keep(Connection(), for: upstream, now: at(1))
        }
        #expect(areKept.filter { $0 }.count == IngressLimits.upstreamIdleMax)
        #expect(areKept.last == false)
        let closing = pool.removeAllIdle()
        #expect(closing.count == IngressLimits.upstreamIdleMax)
    }

    @Test func aRemovedUpstreamLosesItsIdleConnectionsAndDrains() throws {
        var pool = UpstreamPool<Connection>()
        var table = try makeTable([1, 2])
        let upstreams = try makeUpstreams(table)
        let idle = Connection()
        pool.begin(upstreams[0])
        pool.begin(upstreams[0])
        let isKept = pool.keep(idle, for: upstreams[0], now: at(1))
        #expect(isKept)
        #expect(pool.draining(table).isEmpty)

        _ = try table.apply(route("a", 2, ports: [2]))
        let closing = pool.apply(table)
        #expect(closing.count == 1 && closing.first === idle)
        #expect(pool.draining(table) == [InstanceID("ins_1"): 2])
        let isKeptNow = pool.keep(Connection(), for: upstreams[0], now: at(2))
        #expect(!isKeptNow)
        let isDrainedByFirst = pool.end(upstreams[0])
        #expect(!isDrainedByFirst)
        #expect(pool.draining(table) == [InstanceID("ins_1"): 1])
        let isDrainedByLast = pool.end(upstreams[0])
        #expect(isDrainedByLast)
        #expect(pool.draining(table).isEmpty)
    }

    @Test func anInstanceThatMovedDoesNotCountAsDraining() throws {
        var pool = UpstreamPool<Connection>()
        var table = try makeTable([1])
        pool.begin(try makeUpstreams(table)[0])
        var moved = route("a", 2, ports: [2])
        moved.upstreams[0].instance = InstanceID("ins_1")
        _ = try table.apply(moved)
        _ = pool.apply(table)
        #expect(pool.draining(table).isEmpty)
    }

    @Test func connectingIsTriedOnTwoMoreUpstreams() {
        var attempts = Attempts()
        let mayRetry = [1, 2, 3].map { attempts.connectFailed($0, timedOut: $0 == 3) }
        #expect(mayRetry == [true, true, false])
        #expect(attempts.failed == [1, 2, 3])
        #expect(attempts.lastConnectTimedOut)
    }

    @Test(arguments: [(true, true, 0, true), (false, true, 0, false), (true, false, 0, false), (true, true, 1, false)])
    func anUnansweredRequestIsSentAgainOnlyWhenThatIsHarmless(
        _ isReused: Bool, _ isIdempotent: Bool, _ bodyBytesSent: Int, _ mayRetry: Bool
    ) {
        var attempts = Attempts()
        let first = attempts.closedUnanswered(
            isReused: isReused, isIdempotent: isIdempotent, bodyBytesSent: bodyBytesSent)
        #expect(first == mayRetry)
        #expect(attempts.mustBeFresh == mayRetry)
        let second = attempts.closedUnanswered(isReused: true, isIdempotent: true, bodyBytesSent: 0)
        #expect(second != mayRetry, "one retry in all")
    }
}
