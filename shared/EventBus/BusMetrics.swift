// SPDX-License-Identifier: Apache-2.0
import CoreMetrics

/// What every bus counts, under the same names: `make` an implementation's own only for what others cannot have.
///
/// Labels are bounded: groups and topics come from the catalogue.
public struct BusMetrics: Sendable {
    public init() {}

    /// Records that the bus has accepted.
    public func published(_ count: Int, topic: String) {
        Counter(label: "slipway_bus_published_total", dimensions: [("topic", topic)]).increment(by: Int64(count))
    }

    /// Records whose handler has returned.
    public func handled(_ count: Int, group: String, topic: String) {
        Counter(label: "slipway_bus_handled_total", dimensions: [("group", group), ("topic", topic)])
            .increment(by: Int64(count))
    }

    /// Handlers that threw, so that their record is handed out again.
    public func handlerFailed(group: String, topic: String) {
        Counter(label: "slipway_bus_handler_failures_total", dimensions: [("group", group), ("topic", topic)])
            .increment()
    }

    /// Records published and not handled yet.
    public func lag(_ records: Int64, group: String, topic: String, partition: Int) {
        Gauge(
            label: "slipway_bus_lag_records",
            dimensions: [("group", group), ("topic", topic), ("partition", String(partition))]
        ).record(records)
    }

    /// Age in seconds of the record handled longest; 0 when none is: tells of a handler that is stuck.
    public func oldestInFlight(seconds: Double, group: String) {
        Gauge(label: "slipway_bus_oldest_in_flight_seconds", dimensions: [("group", group)]).record(seconds)
    }

    /// - Parameter kind: one of few words, such as `connect`, `publish`, `fatal`, `rebalance`.
    public func failed(_ kind: String) {
        Counter(label: "slipway_bus_errors_total", dimensions: [("kind", kind)]).increment()
    }
}
