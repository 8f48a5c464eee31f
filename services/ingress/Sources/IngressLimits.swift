// SPDX-License-Identifier: Apache-2.0
import Events
import NIOCore

/// What the ingress bounds. Over a limit the request or connection is refused with its reason and counted.
enum IngressLimits {
    /// Client connections of the process; further ones are answered 503. Lower where the system allows fewer files.
    static let connectionsMax = 20_000
    /// Request line or status line with all fields, up to and including the empty line.
    static let headBytesMax = 32 * 1024
    static let fieldsMax = 100
    static let hostnameBytesMax = 253
    static let requestIDBytesMax = 64
    static let chunkExtensionBytesMax = 1024
    static let trailerBytesMax = 8 * 1024

    /// To one instance from one loop: requests in flight, connections kept idle.
    static let upstreamInFlightMax = 4_096
    static let upstreamIdleMax = 64
    /// Connections to instances being opened by one loop.
    static let pendingConnectsMax = 1_024
    /// Further instances tried when connecting failed, so that nothing was sent.
    static let connectRetriesMax = 2
    /// Further tries when a kept connection turned out to be dead.
    static let deadReuseRetriesMax = 1

    /// A peer that has this much waiting for it is not read for until it has taken most of it.
    static let writeBufferHigh = 128 * 1024
    static let writeBufferLow = 64 * 1024

    /// Requests of one loop that wait to be logged; further ones are counted and not logged.
    static let accessLogEntriesMax = 8_192
    static let accessLogPathBytesMax = 512
    /// Hostnames that get series of their own; requests of others are counted together.
    static let routeLabelsMax = 200

    static let routesMax = 100_000
    static let upstreamsPerRouteMax = 256
    static let listenBacklog = 4_096

    /// Half of the files for clients, half for connections to instances, less what the process itself needs.
    static func connections(openFilesMax: Int) -> Int {
        max(16, min(connectionsMax, (openFilesMax - 128) / 2))
    }
}

/// How long the data path waits for what.
struct IngressTimeouts: Sendable {
    /// From the first byte of a head, or from the connection's start, to the head's end.
    var requestHead: TimeAmount = .seconds(15)
    /// Between two requests of a connection.
    var keepAliveIdle: TimeAmount = .seconds(75)
    var connect: TimeAmount = .seconds(5)
    /// From the end of the request to the end of the response's head.
    var responseHead: TimeAmount = .seconds(60)
    /// Without a byte of a body moving, either way.
    var bodyIdle: TimeAmount = .seconds(60)
    var tunnelIdle: TimeAmount = .hours(1)
    /// Shorter than what application servers commonly keep idle connections for (2 s and up).
    var upstreamIdle: TimeAmount = .milliseconds(1_500)
    /// A request that must not be sent twice takes only a connection that was in use this lately.
    var unsafeReuse: TimeAmount = .milliseconds(500)
    /// Between the end of a last response and the reset of a client that goes on sending.
    var linger: TimeAmount = .seconds(2)
    /// For requests in flight at a graceful shutdown.
    var shutdown: TimeAmount = .seconds(10)
    /// How exactly the above are kept.
    var tick: TimeAmount = .milliseconds(100)
}

/// How long the parts around the data path wait.
enum IngressIntervals {
    /// For the bus's current routes before the listener opens.
    static let firstRoutesMax: Duration = .seconds(3)
    static let snapshotDebounce: Duration = .milliseconds(250)
    static let reportDebounce: Duration = .milliseconds(200)
    static let heartbeat = RoutesObserved.heartbeatInterval
    static let busBackOffMin: Duration = .milliseconds(200)
    static let busBackOffMax: Duration = .seconds(5)
    static let farewellMax: Duration = .seconds(2)
}
