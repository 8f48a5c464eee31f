// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc
import ServiceLifecycle

/// Gives back, once, the memory of code that only the start needed.
///
/// The kernel maps code in pieces of 64 KiB around each place that runs, and keeps them mapped while memory is plenty:
/// most of an idle process's resident set is code that ran once. What is still needed is mapped again from the page
/// cache as it runs, without reading.
struct StartMemory: Service {
    /// By then settings are read, migrations applied, connections made.
    static let startTime: Duration = .seconds(10)

    func run() async throws {
        let isStarted: Void? = await cancelWhenGracefulShutdown { try? await Task.sleep(for: Self.startTime) }
        if isStarted != nil { Self.release() }
        // A service that ends would end the process.
        try? await gracefulShutdown()
    }

    static func release() {
        guard let maps = try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8) else { return }
        for (start, count) in codeRanges(maps) {
            madvise(UnsafeMutableRawPointer(bitPattern: start), count, Int32(MADV_DONTNEED))
        }
    }

    /// The ranges in a process's memory map (proc(5), `/proc/pid/maps`) that hold the code of files. Only those: code
    /// is never written to, so that the file has all there is to know.
    static func codeRanges(_ maps: String) -> [(start: UInt, count: Int)] {
        maps.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            guard fields.count >= 6, fields[1] == "r-xp", fields[5].hasPrefix("/") else { return nil }
            let ends = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            guard ends.count == 2, ends[0] < ends[1] else { return nil }
            return (ends[0], Int(ends[1] - ends[0]))
        }
    }
}
