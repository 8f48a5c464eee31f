// SPDX-License-Identifier: Apache-2.0
import CoreMetrics
import NIOCore

/// The ingress's series. Handles are made once; only hostnames add series later, up to a limit.
struct IngressMetrics {
    private let responses: [Counter]
    private let durations: [Timer]
    private let upstreamFailures = Counter(label: "slipway_ingress_upstream_failures")
    private let retries = Counter(label: "slipway_ingress_retries")
    private let connectionsAccepted = Counter(label: "slipway_ingress_connections_accepted")
    private let connectionsRefused = Counter(label: "slipway_ingress_connections_refused")
    private let bytesIn = Counter(label: "slipway_ingress_request_body_bytes")
    private let bytesOut = Counter(label: "slipway_ingress_response_bytes")
    private let entriesDropped = Counter(label: "slipway_ingress_access_log_dropped")
    private let connections = Gauge(label: "slipway_ingress_connections")
    private let inFlight = Gauge(label: "slipway_ingress_requests_in_flight")
    private var ofRoutes: [String: Counter] = [:]
    private let ofOtherRoutes = Counter(label: "slipway_ingress_route_requests", dimensions: [("hostname", "other")])

    private static let classes = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"]

    init() {
        responses = Self.classes.map {
            Counter(label: "slipway_ingress_requests", dimensions: [("status_class", $0)])
        }
        durations = Self.classes.map {
            Timer(label: "slipway_ingress_request_duration_seconds", dimensions: [("status_class", $0)])
        }
    }

    mutating func report(_ tally: LoopTally, _ entries: [AccessEntry]) {
        for (counter, count) in zip(responses, tally.responses) where count > 0 { counter.increment(by: count) }
        add(tally.upstreamFailures, to: upstreamFailures)
        add(tally.retries, to: retries)
        add(tally.connectionsAccepted, to: connectionsAccepted)
        add(tally.connectionsRefused, to: connectionsRefused)
        add(tally.bytesIn, to: bytesIn)
        add(tally.bytesOut, to: bytesOut)
        add(tally.entriesDropped, to: entriesDropped)
        for entry in entries where !entry.hostname.isEmpty {
            durations[min(max(entry.status / 100, 0), 5)].recordNanoseconds(entry.duration.nanoseconds)
            // Hostnames nobody routes are a stranger's to choose and get no series.
            counter(ofRoute: entry.instance == nil ? nil : entry.hostname).increment()
        }
    }

    func report(connections: Int, inFlight: Int) {
        self.connections.record(connections)
        self.inFlight.record(inFlight)
    }

    private mutating func counter(ofRoute hostname: String?) -> Counter {
        guard let hostname else { return ofOtherRoutes }
        if let known = ofRoutes[hostname] { return known }
        guard ofRoutes.count < IngressLimits.routeLabelsMax else { return ofOtherRoutes }
        let counter = Counter(label: "slipway_ingress_route_requests", dimensions: [("hostname", hostname)])
        ofRoutes[hostname] = counter
        return counter
    }

    private func add(_ count: Int, to counter: Counter) {
        if count > 0 { counter.increment(by: count) }
    }
}
