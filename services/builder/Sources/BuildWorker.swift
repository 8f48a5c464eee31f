// SPDX-License-Identifier: Apache-2.0
import CoreMetrics
import Domain
import EventBus
import Events
import Logging
import Postgres
import ServiceLifecycle

/// Takes builds from the queue and carries them out, `concurrency` at a time.
///
/// A build that a shutdown interrupts goes back into the queue; one whose builder dies is taken by another builder
/// when the lease has run out, or by this one at its next start.
struct BuildWorker: Service {
    let store: BuildStore
    let image: ImageBuild
    let concurrency: Int
    let timeout: Duration
    /// Raised when a build was requested or is to be cancelled.
    let signal: Signal
    let logger: Logger

    private enum Ending: Sendable {
        case image(ImageBuild.Outcome)
        case cancelled
        case timedOut
        case leaseLost
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                for _ in 0..<concurrency { group.addTask { await work() } }
            }
        }
    }

    private func work() async {
        while !Task.isCancelled {
            let raised = signal.count
            do {
                if let claim = try await store.claim() {
                    await carryOut(claim)
                    // Another request for the same identity may have waited for this one.
                    signal.raise()
                    continue
                }
            } catch {
                logger.warning("the queue of builds cannot be read, trying again", metadata: ["error": "\(error)"])
            }
            await signal.wait(since: raised, timeout: BuilderLimits.pollInterval)
        }
    }

    func carryOut(_ claim: BuildClaim) async {
        await TraceContext.$current.withValue(claim.trace) { await carryOutTraced(claim) }
    }

    private func carryOutTraced(_ claim: BuildClaim) async {
        let build = claim.request.build
        logger.info("build begins", metadata: ["build": "\(build)", "attempt": "\(claim.attempt)"])
        let started = ContinuousClock.now
        let ending = await self.ending(of: claim)
        // A task of its own, awaited: a shutdown that interrupts the build must not keep it from being put back.
        let outcome = await Task { await conclude(claim.request, ending) }.value
        Counter(label: "slipway_builds", dimensions: [("outcome", outcome)]).increment()
        let duration = ContinuousClock.now - started
        CoreMetrics.Timer(label: "slipway_build_seconds", dimensions: [("outcome", outcome)])
            .recordNanoseconds(duration.microseconds * 1_000)
        logger.info("build ended", metadata: ["build": "\(build)", "outcome": "\(outcome)"])
    }

    private func ending(of claim: BuildClaim) async -> Ending {
        if claim.isCancelRequested { return .cancelled }
        guard claim.attempt <= BuilderLimits.attemptsMax else {
            return .image(.ended(.failed(reason: BuildFailure.abandoned.reason)))
        }
        return await withTaskGroup(of: Ending?.self) { group in
            group.addTask {
                // Without the database nothing is known to be built: building it again is right, only slower.
                let known = try? await store.image(of: claim.request.identity)
                return .image(await image.run(claim.request, known: known))
            }
            group.addTask { await keepLease(of: claim.request.build) }
            group.addTask {
                try? await Task.sleep(for: timeout)
                return Task.isCancelled ? nil : .timedOut
            }
            var first: Ending?
            for await ending in group where first == nil {
                guard let ending else { continue }
                first = ending
                group.cancelAll()
            }
            return first ?? .image(.interrupted)
        }
    }

    private func keepLease(of build: BuildID) async -> Ending? {
        while !Task.isCancelled {
            let raised = signal.count
            do {
                switch try await store.renew(build) {
                case .held: break
                case .cancelRequested: return .cancelled
                case .lost: return Task.isCancelled ? nil : .leaseLost
                }
            } catch {
                logger.warning(
                    "the lease of a build cannot be renewed, trying again",
                    metadata: ["build": "\(build)", "error": "\(error)"])
            }
            await signal.wait(since: raised, timeout: BuilderLimits.leaseRenewal)
        }
        return nil
    }

    /// - Returns: how it ended, for figures and the log.
    private func conclude(_ request: BuildRequested, _ ending: Ending) async -> String {
        switch ending {
        case .image(.ended(let result)): return await record(result, of: request)
        case .image(.interrupted):
            await persistently(request.build) { try await store.release(request.build) }
            return "interrupted"
        case .cancelled: return await record(.cancelled, of: request)
        case .timedOut:
            return await record(.failed(reason: BuildFailure.timedOut(after: timeout).reason), of: request)
        case .leaseLost: return "lost"
        }
    }

    private func record(_ result: BuildResult, of request: BuildRequested) async -> String {
        let isRecorded = await persistently(request.build) { try await store.finish(request, result) }
        guard isRecorded == true else { return "lost" }
        switch result {
        case .succeeded(_, _, let wasReused, _): return wasReused ? "reused" : "succeeded"
        case .failed: return "failed"
        case .cancelled: return "cancelled"
        }
    }

    /// Tries again while the database is away. Given up, the lease runs out and the build is done again.
    @discardableResult
    private func persistently<Result: Sendable>(
        _ build: BuildID, _ operation: () async throws -> Result
    ) async -> Result? {
        var pause: Duration = .milliseconds(100)
        for _ in 1...BuilderLimits.commitAttemptsMax {
            do {
                return try await operation()
            } catch {
                logger.warning(
                    "the end of a build cannot be recorded, trying again",
                    metadata: ["build": "\(build)", "error": "\(error)"])
            }
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, BuilderLimits.commitBackOffMax)
        }
        logger.error("the end of a build could not be recorded", metadata: ["build": "\(build)"])
        return nil
    }
}
