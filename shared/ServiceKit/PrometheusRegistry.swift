// SPDX-License-Identifier: Apache-2.0
import CoreMetrics
import Synchronization

/// Keeps swift-metrics values in memory and writes them in the Prometheus text format, version 0.0.4.
///
/// Timers and recorders become histograms with fixed buckets, in seconds for timers. At most `seriesMax` series are
/// kept; past it, new ones are counted in `slipway_metrics_dropped_series` and otherwise ignored.
public final class PrometheusRegistry: MetricsFactory, Sendable {
    public static let seriesMax = 5_000
    static let buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

    enum Kind: String { case counter, gauge, histogram }

    private struct State {
        var families: [String: (kind: Kind, series: [String: Series])] = [:]
        var seriesCount = 0
        var dropped = 0
    }

    private let state = Mutex(State())

    public init() {}

    private func series(_ label: String, _ dimensions: [(String, String)], _ kind: Kind) -> Series {
        let name = Self.name(label, kind)
        let labels = dimensions.map { "\(Self.sanitized($0.0))=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
        return state.withLock { state in
            if let known = state.families[name]?.series[labels] { return known }
            guard state.seriesCount < Self.seriesMax, state.families[name].map({ $0.kind == kind }) ?? true else {
                state.dropped += 1
                return Series()
            }
            let series = Series()
            state.families[name, default: (kind, [:])].series[labels] = series
            state.seriesCount += 1
            return series
        }
    }

    static func sanitized(_ text: String) -> String {
        String(text.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }

    static func name(_ label: String, _ kind: Kind) -> String {
        let name = sanitized(label)
        return kind == .counter && !name.hasSuffix("_total") ? name + "_total" : name
    }

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, dimensions, .counter)
    }

    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        series(label, dimensions, aggregate ? .histogram : .gauge)
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, dimensions, .gauge)
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(label, dimensions, .histogram)
    }

    // Series live as long as the process: a destroyed handle may be made again.
    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyMeter(_ handler: any MeterHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}

    /// The exposition of all series, families and series in order of their names.
    public func exposition() -> String {
        let (families, dropped) = state.withLock { ($0.families, $0.dropped) }
        var text = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            text += "# TYPE \(name) \(family.kind.rawValue)\n"
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
                series.write(to: &text, name: name, labels: labels, kind: family.kind)
            }
        }
        text += "# TYPE slipway_metrics_dropped_series counter\nslipway_metrics_dropped_series_total \(dropped)\n"
        return text
    }
}

/// One series: a number, or a histogram.
final class Series: CounterHandler, RecorderHandler, MeterHandler, TimerHandler, Sendable {
    private struct State {
        var value = 0.0
        var count = 0
        var buckets: [Int] = []
    }

    private let state = Mutex(State())

    func increment(by amount: Int64) { state.withLock { $0.value += Double(amount) } }
    func increment(by amount: Double) { state.withLock { $0.value += amount } }
    func decrement(by amount: Double) { state.withLock { $0.value -= amount } }
    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { state.withLock { $0.value = value } }
    func reset() { state.withLock { $0 = State() } }
    func record(_ value: Int64) { record(Double(value)) }
    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }

    func record(_ value: Double) {
        state.withLock { state in
            if state.buckets.isEmpty { state.buckets = Array(repeating: 0, count: PrometheusRegistry.buckets.count) }
            state.value += value
            state.count += 1
            if let bucket = PrometheusRegistry.buckets.firstIndex(where: { value <= $0 }) { state.buckets[bucket] += 1 }
        }
    }

    func write(to text: inout String, name: String, labels: String, kind: PrometheusRegistry.Kind) {
        let state = state.withLock { $0 }
        let braces = labels.isEmpty ? "" : "{\(labels)}"
        guard kind == .histogram else {
            text += "\(name)\(braces) \(state.value)\n"
            return
        }
        let prefix = labels.isEmpty ? "" : labels + ","
        var cumulative = 0
        for (bound, count) in zip(PrometheusRegistry.buckets, state.buckets) {
            cumulative += count
            text += "\(name)_bucket{\(prefix)le=\"\(bound)\"} \(cumulative)\n"
        }
        text += "\(name)_bucket{\(prefix)le=\"+Inf\"} \(state.count)\n"
        text += "\(name)_sum\(braces) \(state.value)\n\(name)_count\(braces) \(state.count)\n"
    }
}
