// SPDX-License-Identifier: Apache-2.0
import Logging
import ServiceLifecycle

/// Keeps the snapshot file at the route book, some changes later.
struct SnapshotWriter: Service {
    let book: RouteBook
    let path: String
    let logger: Logger

    func run() async throws {
        let last = await cancelWhenGracefulShutdown { () -> Int in
            var written = -1
            while !Task.isCancelled {
                let count = book.changes.count
                written = write(unless: written)
                await book.changes.wait(since: count, timeout: .seconds(3600))
                try? await Task.sleep(for: IngressIntervals.snapshotDebounce)
            }
            return written
        }
        _ = write(unless: last)
    }

    /// Only what the bus said is worth keeping: a loaded snapshot is in the file already.
    private func write(unless written: Int) -> Int {
        let table = book.table
        guard book.hasCaughtUp, !table.isReloading, table.version != written else { return written }
        do {
            try RouteSnapshot(table).write(to: path)
            return table.version
        } catch {
            logger.error(
                "the route snapshot cannot be written; a restart without the bus would serve old routes",
                metadata: ["path": "\(path)", "error": "\(error)"])
            return written
        }
    }
}
