// SPDX-License-Identifier: Apache-2.0
import Domain
import Glibc
import Scheduler

enum Measurement {
    /// Median CPU seconds to place so many instances on empty hosts.
    static func placing(_ instances: Int, rounds: Int) throws -> Double {
        var fleet = try Fleet(seed: 1)
        let deployments = try fleet.deployments(instances)
        return try (0..<rounds).map { _ in
            var cluster = try fleet.cluster()
            let seconds = try time {
                for deployment in deployments { try accept(cluster.place(deployment.request)) }
            }
            guard cluster.instanceCount == instances else { throw Failure("only \(cluster.instanceCount) are placed") }
            return seconds
        }.sorted()[rounds / 2]
    }

    /// Median instances a CPU second of the scan.
    static func naive(instances: Int, rounds: Int) throws -> Double {
        var fleet = try Fleet(seed: 1)
        let deployments = try fleet.deployments(instances)
        var generator = Numbers(state: 1)
        return try (0..<rounds).map { _ in
            var naive = fleet.naive()
            let seconds = try time {
                for deployment in deployments {
                    for _ in deployment.request.replicas {
                        guard naive.place(deployment.request.workload, deployment.rule, using: &generator)
                        else { throw Failure("the scan found no host") }
                    }
                }
            }
            return Double(instances) / seconds
        }.sorted()[rounds / 2]
    }

    /// Sorted microseconds of single decisions, each taken back before the next.
    static func decisions(running: Int, count: Int) throws -> (placed: [Double], refused: [Double]) {
        var fleet = try Fleet(seed: 1)
        var cluster = try fleet.cluster()
        for deployment in try fleet.deployments(running) { try accept(cluster.place(deployment.request)) }
        var placed: [Double] = []
        var refused: [Double] = []
        for deployment in try fleet.deployments(count) {
            for replica in deployment.request.replicas {
                var request = PlacementRequest(deployment.request.workload, replicas: [replica])
                placed.append(try time { try accept(cluster.place(request)) } * 1e6)
                cluster.release(replica.id)
                request.workload = try hopeless(request.workload)
                refused.append(time { _ = cluster.place(request) } * 1e6)
            }
        }
        return (placed.sorted(), refused.sorted())
    }

    /// The same with more memory than any host has.
    private static func hopeless(_ workload: Workload) throws -> Workload {
        try Workload(
            service: workload.service, resources: Resources(memoryBytes: 1 << 42), strategy: workload.strategy,
            affinities: workload.affinities)
    }

    static var residentMegabytes: Int { status("VmRSS") }
    static var peakMegabytes: Int { status("VmHWM") }

    private static func accept(_ outcome: Outcome) throws {
        if case .refused(let refusal) = outcome { throw Failure("\(refusal.service): \(refusal)") }
    }

    /// Seconds of CPU: what else runs on the machine does not count.
    private static func time(_ body: () throws -> Void) rethrows -> Double {
        let start = cpuSeconds
        try body()
        return cpuSeconds - start
    }

    private static var cpuSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// A line of /proc/self/status in MiB.
    private static func status(_ name: String) -> Int {
        guard let file = fopen("/proc/self/status", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, Int32(line.count), file) != nil {
            let words = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
                .split { $0 == " " || $0 == "\t" || $0 == ":" }
            if words.count > 1, words[0] == name { return (Int(words[1]) ?? 0) / 1024 }
        }
        return 0
    }
}

struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
