// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Logging
import Postgres
import ServiceLifecycle

/// What has to be done now and then, and once after a start: it makes good what a crash left unfinished.
struct Upkeep: Service {
    let pool: PostgresPool
    let repositories: Repositories
    let feed: FeedStore
    let deadLetters: DeadLetterStore
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await attempt("removing repositories") { try await removeRepositories() }
                await attempt("forgetting idempotency keys") { try await forgetIdempotencyKeys() }
                await attempt("purging feeds") { try await feed.purge(now: .now()) }
                await attempt("purging dead letters") { try await purgeDeadLetters() }
                try? await Task.sleep(for: PanelLimits.upkeepInterval)
            }
        }
    }

    private func attempt(_ what: String, _ body: () async throws -> Void) async {
        do {
            try await body()
        } catch {
            if Task.isCancelled { return }
            logger.warning("upkeep failed", metadata: ["what": "\(what)", "error": "\(error)"])
        }
    }

    /// Takes away the repositories of apps that were deleted. The database comes first: a repository is only touched
    /// when its app is gone for good.
    func removeRepositories() async throws {
        for row in try await pool.query("SELECT * FROM removed_repositories ORDER BY removed_at LIMIT 100") {
            let app: AppID = try row.id("app")
            try await repositories.remove(
                app: app, organisation: row.string("organisation_name"), name: row.string("app_name"))
            try await pool.query("DELETE FROM removed_repositories WHERE app = \(app)")
        }
    }

    private func purgeDeadLetters() async throws {
        let undecided = try await deadLetters.purge(now: .now())
        if undecided > 0 {
            logger.error(
                "dead letters were removed that nobody had decided on, because there are too many",
                metadata: ["count": "\(undecided)", "kept": "\(PanelLimits.deadLettersMax)"])
        }
    }

    func forgetIdempotencyKeys() async throws {
        let oldest = Timestamp.now().advanced(by: .zero - PanelLimits.idempotencyKept)
        try await pool.query("DELETE FROM idempotency_keys WHERE created_at < \(oldest)")
    }
}

/// Deploys what was pushed while nobody could: a push is stored by Git before the panel hears of it.
struct MissedPushes: Service {
    let apps: AppStore
    let pushes: PushedBranches
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            do {
                for app in try await apps.allApps() where !Task.isCancelled {
                    // The push's own trace ended with its request.
                    let outcomes = try await TraceContext.$current.withValue(.root()) {
                        try await pushes.deploy(app: app, by: nil, logger: logger)
                    }
                    for (environment, outcome) in outcomes {
                        // The reason quotes the manifest, which is not for the log.
                        let isDeployed = if case .deploying = outcome { true } else { false }
                        logger.notice(
                            "found a push that was not deployed",
                            metadata: ["environment": "\(environment.id)", "deployed_now": "\(isDeployed)"])
                    }
                }
            } catch {
                logger.warning("looking for missed pushes failed", metadata: ["error": "\(error)"])
            }
        }
        // A service that returns ends the process.
        try? await gracefulShutdown()
    }
}
