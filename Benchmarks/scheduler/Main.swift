// SPDX-License-Identifier: Apache-2.0
import Domain
import Glibc
import Scheduler

/// Measures placement on 5,000 hosts, on one core: `scheduler-bench`. `BENCH_QUICK=1` measures everything once.
@main
struct Main {
    static func main() throws {
        let isQuick = getenv("BENCH_QUICK").map { String(cString: $0) }.map { !["", "0"].contains($0) } ?? false
        let rounds = isQuick ? 1 : 5
        print("\(Fleet.hostCount) hosts in \(Fleet.zoneCount) zones; services of 1 to 20 instances, half with a rule;")
        print("50 % ha, 25 % binpack, 20 % random, 5 % daemon. Medians of \(rounds); seconds are of CPU time.\n")

        let naive = try Measurement.naive(instances: 2000, rounds: rounds)
        print("a scan of every host for every instance, 2,000 instances: \(naive.rounded) placements/s\n")
        print("  instances   seconds   placements/s   µs/placement   RSS MB   against the scan")
        var rates: [Int: Double] = [:]
        for instances in [2000, 10_000, 100_000, 1_000_000] {
            let seconds = try Measurement.placing(instances, rounds: rounds)
            let rate = Double(instances) / seconds
            rates[instances] = rate
            print(
                "  \(instances.padded(9))   \(seconds.text(3).padded(7))   \(rate.rounded.padded(12))   "
                    + "\((1e6 / rate).text(2).padded(12))   \(Measurement.residentMegabytes.padded(6))   "
                    + "\((rate / naive).rounded.padded(15))x")
        }
        let decisions = try Measurement.decisions(running: 50_000, count: isQuick ? 5000 : 50_000)
        print("\none decision at 50,000 running instances, in µs of CPU time:")
        for (name, times) in [("placed", decisions.placed), ("refused, explained", decisions.refused)] {
            print(
                "  \(name): p50 \(times.quantile(0.5).text(1)), p99 \(times.quantile(0.99).text(1)), "
                    + "longest \(times.quantile(1).text(1)) (\(times.count) decisions)")
        }
        guard let large = rates[1_000_000], let middle = rates[100_000] else { return }
        print(
            "\nbench-scheduler: placements_s=\(large.rounded) rss_mb=\(Measurement.peakMegabytes)"
                + " growth_100k_to_1m=\((middle / large).text(2))"
                + " decision_p99_ms=\((decisions.placed.quantile(0.99) / 1000).text(3))")
    }
}

extension Double {
    var rounded: Int { Int(self.rounded()) }

    func text(_ digits: Int) -> String {
        let scale = (0..<digits).reduce(1) { scale, _ in scale * 10 }
        let value = Int((self * Double(scale)).rounded())
        let fraction = String(value % scale)
        return "\(value / scale).\(String(repeating: "0", count: digits - fraction.count))\(fraction)"
    }
}

extension CustomStringConvertible {
    func padded(_ width: Int) -> String {
        let text = description
        return String(repeating: " ", count: max(0, width - text.count)) + text
    }
}

extension [Double] {
    /// Of a sorted array.
    func quantile(_ share: Double) -> Double { self[Swift.min(count - 1, Int(Double(count) * share))] }
}
