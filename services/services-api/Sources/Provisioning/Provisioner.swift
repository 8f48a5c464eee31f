// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import Events
import Logging
import Postgres
import Secrets
import ServiceLifecycle

/// Makes the server have what the table says, one service after the other.
///
/// Each attempt begins anew and can be interrupted at any point: what exists is taken over, and a password that was
/// not recorded is replaced. A lock on the server keeps processes apart, so that the password recorded is the last set.
struct Provisioner: Service {
    let store: ServiceStore
    /// URL of an account that may make roles and databases.
    let serverURL: String
    let host: String
    let port: Int
    let controller: PublicSealingKey
    /// Raised when something was requested.
    let signal: Signal
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                let raised = signal.count
                let pause = await round()
                await signal.wait(since: raised, timeout: pause)
            }
        }
    }

    /// Looks at everything that is due.
    ///
    /// - Returns: when to look again at the latest.
    func round() async -> Duration {
        do {
            for work in try await store.due() {
                if Task.isCancelled { break }
                await handle(work)
            }
            return try await store.hasUnfinished() ? ServicesLimits.busyPollInterval : ServicesLimits.idlePollInterval
        } catch {
            logger.warning("requests for services cannot be read, trying again", metadata: ["error": "\(error)"])
            return ServicesLimits.busyPollInterval
        }
    }

    private func handle(_ work: ServiceWork) async {
        do {
            try await withServer { server in
                guard try await server.lock(work.database), let current = try await store.current(work) else { return }
                switch current.job {
                case .provision: try await provision(current, on: server)
                case .remove: try await remove(current, on: server)
                }
            }
        } catch {
            await settle(work, error)
        }
    }

    private func withServer(_ body: (DatabaseServer) async throws -> Void) async throws {
        let connection = try await PostgresConnection.connect(to: serverURL, name: "slipway-services")
        do {
            try await body(DatabaseServer(connection: connection))
        } catch {
            await connection.close()
            throw error
        }
        await connection.close()
    }

    private func provision(_ work: ServiceWork, on server: DatabaseServer) async throws {
        if let refusal = ProvisioningRefusal.ofVersion(work.version, server: try await server.majorVersion()) {
            throw refusal
        }
        var random = SystemRandomNumberGenerator()
        let credentials = Credentials.generate(role: work.role, using: &random)
        let salt = (0..<16).map { _ in UInt8.random(in: 0...255, using: &random) }
        try await server.prepareRole(
            work.role, verifier: ScramVerifier.text(password: credentials.password, salt: salt))
        try await server.prepareDatabase(work.database, owner: work.role)
        let url = try Sealed(
            credentials.url(host: host, port: port, database: work.database), to: controller,
            context: ServiceProvisioned.context(work.service))
        if try await store.provisioned(work, url: url) {
            logger.info("service provisioned", metadata: ["service": "\(work.service)"])
        }
    }

    private func remove(_ work: ServiceWork, on server: DatabaseServer) async throws {
        try await server.remove(database: work.database, role: work.role)
        if try await store.removed(work) {
            logger.info("service removed", metadata: ["service": "\(work.service)"])
        }
    }

    private func settle(_ work: ServiceWork, _ error: any Error) async {
        let metadata: Logger.Metadata = [
            "service": "\(work.service)", "job": "\(work.job)", "attempt": "\(work.attempt + 1)",
            "error": "\(error)",
        ]
        let trouble = ProvisioningTrouble.of(
            error, job: work.job, attempt: work.attempt, age: Timestamp.now().since(work.requestedAt))
        do {
            switch trouble {
            case .retry(let pause):
                logger.warning("a service is not settled yet, trying again", metadata: metadata)
                try await store.retry(work, after: pause)
            case .giveUp(let reason):
                logger.warning("a service could not be provisioned", metadata: metadata)
                _ = try await store.failed(work, reason: reason)
            }
        } catch {
            // The row is as it was, and is looked at again.
            logger.warning("what became of a service cannot be recorded", metadata: ["error": "\(error)"])
        }
    }
}
