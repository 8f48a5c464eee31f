// SPDX-License-Identifier: Apache-2.0
import Domain
import Logging
import Messaging
import Postgres

/// Makes a deployment for each branch whose head is not the commit its environment was last deployed for.
///
/// It compares what is with what was done, and does not rely on having seen the push: a push whose request was cut
/// off, or that met a crash, is made good by the next call.
struct PushedBranches: Sendable {
    let pool: PostgresPool
    let apps: AppStore
    let repositories: Repositories
    let deployments: Deployments
    let outbox: Outbox

    enum Outcome: Sendable {
        case deploying(DeploymentID)
        /// Why there is no deployment, for the developer.
        case refused(String)
    }

    /// What was done for each environment whose branch had moved.
    func deploy(
        app: App, by user: UserID?, logger: Logger
    ) async throws -> [(environment: AppEnvironment, outcome: Outcome)] {
        let branches = try await repositories.ensure(app).branches()
        var outcomes: [(environment: AppEnvironment, outcome: Outcome)] = []
        for environment in try await apps.environments(of: app.id) {
            guard let head = branches[environment.branch], head != environment.pushedCommit else { continue }
            do {
                guard let id = try await deploy(environment.id, by: user) else { continue }
                outcomes.append((environment, .deploying(id)))
            } catch let problem as Problem {
                outcomes.append((environment, .refused(problem.detail)))
            } catch {
                logger.error(
                    "a pushed branch could not be deployed",
                    metadata: ["environment": "\(environment.id)", "error": "\(error)"])
                outcomes.append((environment, .refused("something went wrong in the panel: push again in a moment")))
            }
        }
        return outcomes
    }

    /// - Returns: `nil` when another request has deployed the head meanwhile.
    private func deploy(_ environment: EnvironmentID, by user: UserID?) async throws -> DeploymentID? {
        let id = try await pool.withTransaction { transaction -> DeploymentID? in
            let target = try await deployments.lock(environment, in: transaction)
            // Under the lock the head is looked at again: of two pushes at once, both see the later one's.
            let repository = try await repositories.ensure(target.app)
            let head = try await repository.head(ofBranch: target.environment.branch)
            guard let head, head != target.environment.pushedCommit else { return nil }
            return try await deployments.create(.commit(nil), for: target, by: user, transaction: transaction)
        }
        outbox.wake()
        return id
    }
}
