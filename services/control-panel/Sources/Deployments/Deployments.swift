// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import FoundationEssentials
import Messaging
import Postgres
import Secrets

/// Makes deployments: the one place that does, whatever asked for them.
struct Deployments: Sendable {
    let configuration: PanelConfiguration
    let outbox: Outbox
    let repositories: Repositories
    let variables: VariableStore

    enum Order: Sendable, Equatable {
        /// A commit of the app's repository; `nil` is the head of the environment's branch.
        case commit(String?)
        /// The current release once more, or where there is none the latest deployment, with today's variables.
        case redeploy
        /// As `redeploy`, because variables changed.
        case variables
        /// An earlier release as it was; `nil` is the one before the current.
        case rollback(RollbackTarget?)
    }

    enum RollbackTarget: Sendable, Equatable {
        case id(DeploymentID)
        case number(Int)
    }

    /// What an order comes to: the snapshot to deploy and, for a rollback, the image that exists already.
    private struct Plan {
        var kind: DeploymentRequested.Kind
        var snapshot: DeploymentSnapshot
        var image: String?
        /// The number of the release that a rollback makes live again.
        var restores: Int?
    }

    /// What of the environment's row is needed here.
    struct Target: Sendable {
        let app: App
        let environment: AppEnvironment
    }

    /// Locks the environment until the transaction ends: its deployments are made one after another.
    func lock(_ environment: EnvironmentID, in transaction: PostgresConnection) async throws -> Target {
        let rows = try await transaction.query("SELECT * FROM environments WHERE id = \(environment) FOR UPDATE")
        guard let row = rows.first else { throw Problem.notFound("environment \(environment)") }
        let locked = try AppEnvironment(row)
        let apps = try await transaction.query(
            """
            SELECT apps.*, organisations.name AS organisation_name FROM apps
            JOIN organisations ON organisations.id = apps.organisation WHERE apps.id = \(locked.app)
            """)
        guard let app = apps.first else { throw Problem.notFound("environment \(environment)") }
        return Target(app: try App(app), environment: locked)
    }

    /// Records a deployment and asks for it. Call `outbox.wake()` once the transaction has committed.
    ///
    /// - Throws: a `Problem` that says why it cannot be made.
    func create(
        _ order: Order, in environment: EnvironmentID, by user: UserID?, transaction: PostgresConnection
    ) async throws -> DeploymentID {
        let target = try await lock(environment, in: transaction)
        return try await create(order, for: target, by: user, transaction: transaction)
    }

    /// As above, for a target that is locked in this transaction.
    func create(
        _ order: Order, for target: Target, by user: UserID?, transaction: PostgresConnection
    ) async throws -> DeploymentID {
        let environment = target.environment.id
        try await checkQueue(of: environment, in: transaction)
        let plan = try await makePlan(order, for: target, in: transaction)
        let id = DeploymentID.generate()
        let numbers = try await transaction.query(
            """
            UPDATE environments SET next_number = next_number + 1 WHERE id = \(environment)
            RETURNING next_number - 1 AS number
            """)
        guard let number = try numbers.first?.int("number") else { throw Problem.internalError() }
        let snapshot = plan.snapshot
        try await transaction.query(
            """
            INSERT INTO deployments
                (id, environment, number, kind, state, stage, commit_id, message, image, created_by, snapshot,
                restores)
            VALUES (\(id), \(environment), \(number), \(plan.kind.rawValue), \(DeploymentState.queued.rawValue),
                \(DeploymentStage.queued.rawValue), \(snapshot.commit), \(snapshot.message), \(plan.image), \(user),
                \(try Answer.encode(snapshot)), \(plan.restores))
            """)
        // A commit that was chosen by hand is not what the branch was last pushed as.
        if case .commit(nil) = order {
            try await transaction.query(
                "UPDATE environments SET pushed_commit = \(snapshot.commit) WHERE id = \(environment)")
        }
        try await publish(id, plan, for: target, in: transaction)
        return id
    }

    private func checkQueue(of environment: EnvironmentID, in transaction: PostgresConnection) async throws {
        let rows = try await transaction.query(
            """
            SELECT count(*) AS n FROM deployments
            WHERE environment = \(environment) AND state IN ('queued', 'running')
            """)
        guard try rows.first?.int("n") ?? 0 < PanelLimits.unfinishedDeploymentsMax else {
            throw Problem.limit(
                "\(PanelLimits.unfinishedDeploymentsMax) deployments are waiting already: wait for them or cancel some")
        }
    }

    private func publish(
        _ id: DeploymentID, _ plan: Plan, for target: Target, in transaction: PostgresConnection
    ) async throws {
        let (app, environment, snapshot) = (target.app, target.environment, plan.snapshot)
        let token = configuration.cloneTokens.issue(for: app.id, now: .now())
        let source = SourceLocation(
            url: configuration.gitURL(organisation: app.organisation, app: app.name), commit: snapshot.commit,
            tree: snapshot.tree,
            token: try Sealed(token, to: configuration.controllerKey, context: SourceLocation.tokenContext(id)))
        let request = DeploymentRequested(
            deployment: id, environment: environment.id, organisation: app.organisation, app: app.name,
            environmentName: environment.name, hostname: environment.hostname, kind: plan.kind, source: source,
            spec: snapshot.spec, variables: snapshot.variables, buildIdentity: snapshot.buildIdentity,
            image: plan.image)
        do {
            try await outbox.append(
                EnvironmentDesired(
                    environment: environment.id, organisation: app.organisation, app: app.name,
                    name: environment.name, hostname: environment.hostname), in: transaction)
            try await outbox.append(request, in: transaction)
        } catch let error as EventError {
            guard case .tooLarge = error else { throw error }
            throw Problem.limit(
                "manifest and variables are too large together to be deployed: shorten the largest variables")
        }
    }

    // MARK: Plans

    private func makePlan(
        _ order: Order, for target: Target, in transaction: PostgresConnection
    ) async throws -> Plan {
        switch order {
        case .commit(let commit):
            let source = try await readCommit(commit, of: target)
            return Plan(kind: .push, snapshot: try await fresh(source, for: target, in: transaction))
        case .redeploy, .variables:
            let source = try await currentOrLatest(of: target.environment, in: transaction)
            return Plan(
                kind: order == .variables ? .variables : .redeploy,
                snapshot: try await fresh(source, for: target, in: transaction))
        case .rollback(let wanted):
            return try await rollback(to: wanted, of: target.environment, in: transaction)
        }
    }

    /// `source` with the variables of now.
    private func fresh(
        _ source: DeploymentSnapshot, for target: Target, in transaction: PostgresConnection
    ) async throws -> DeploymentSnapshot {
        var snapshot = source
        snapshot.variables = try await variables.snapshot(of: target.environment.id, on: transaction)
        snapshot.buildIdentity = try BuildIdentity.of(
            tree: source.tree, spec: source.spec.build, variables: snapshot.variables,
            environment: target.environment.id)
        return snapshot
    }

    private func readCommit(_ commit: String?, of target: Target) async throws -> DeploymentSnapshot {
        let repository = try await repositories.ensure(target.app)
        let branch = target.environment.branch
        let wanted: String
        if let commit {
            wanted = commit
        } else if let head = try await repository.head(ofBranch: branch) {
            wanted = head
        } else {
            throw Problem.conflict(
                "nothing-pushed",
                "the branch \(branch) has no commit yet: push one with "
                    + "`git push \(configuration.gitURL(organisation: target.app.organisation, app: target.app.name)) "
                    + "\(branch)`")
        }
        guard let found = try await repository.commit(wanted) else {
            throw Problem.invalid([
                .init(field: "commit", message: "\(wanted) is not a commit of \(target.app.fullName): push it first")
            ])
        }
        switch try await ManifestCheck.check(found.id, in: repository) {
        case .valid(let spec):
            return DeploymentSnapshot(
                commit: found.id, tree: found.tree, message: found.subject, spec: spec, variables: [:],
                buildIdentity: "")
        case .invalid(let lines):
            throw Problem(
                status: .unprocessableContent, code: "invalid-manifest", title: "Invalid manifest",
                detail: lines.joined(separator: "\n"))
        }
    }

    private func currentOrLatest(
        of environment: AppEnvironment, in transaction: PostgresConnection
    ) async throws -> DeploymentSnapshot {
        let rows = try await transaction.query(
            """
            SELECT snapshot FROM deployments WHERE environment = \(environment.id)
            ORDER BY (id = \(environment.currentDeployment?.rawValue ?? "")) DESC, number DESC LIMIT 1
            """)
        guard let row = rows.first else {
            throw Problem.conflict("nothing-deployed", "\(environment.name) was never deployed: push a commit first")
        }
        return try Self.snapshot(row)
    }

    private func rollback(
        to wanted: RollbackTarget?, of environment: AppEnvironment, in transaction: PostgresConnection
    ) async throws -> Plan {
        guard let current = environment.currentDeployment else {
            throw Problem.conflict("nothing-deployed", "\(environment.name) has no release to roll back from")
        }
        let rows: [Row]
        switch wanted {
        case .id(let id):
            rows = try await transaction.query(
                "SELECT * FROM deployments WHERE environment = \(environment.id) AND id = \(id)")
        case .number(let number):
            rows = try await transaction.query(
                "SELECT * FROM deployments WHERE environment = \(environment.id) AND number = \(number)")
        case nil:
            rows = try await transaction.query(
                """
                SELECT * FROM deployments WHERE environment = \(environment.id) AND state = 'succeeded'
                    AND number < (SELECT number FROM deployments WHERE id = \(current))
                ORDER BY number DESC LIMIT 1
                """)
        }
        guard let row = rows.first else {
            throw Problem.conflict(
                "no-such-release",
                wanted == nil
                    ? "there is no release before the current one"
                    : "there is no such release: `slipway deployments` lists them")
        }
        let number = try row.int("number")
        guard try row.string("state") == DeploymentState.succeeded.rawValue,
            let image = try row.optionalString("image")
        else {
            throw Problem.conflict(
                "not-a-release", "deployment \(number) did not succeed: choose one that did")
        }
        return Plan(kind: .rollback, snapshot: try Self.snapshot(row), image: image, restores: number)
    }

    private static func snapshot(_ row: Row) throws -> DeploymentSnapshot {
        try JSONDecoder().decode(DeploymentSnapshot.self, from: Data(row.string("snapshot").utf8))
    }
}
