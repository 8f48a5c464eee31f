// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import FoundationEssentials
import Postgres
import ServiceLifecycle
import Synchronization

/// Tells the reconciler which environments an event concerns.
///
/// Most events name theirs. Build and service events name a build or service, hosts and ingress nodes concern
/// whatever waits for them: those are answered by marking everything unsettled, one look for any number of events.
final class MarkRouter: Service {
    private let pool: PostgresPool
    private let reconciler: Reconciler
    private let wakeups: AsyncStream<Void>
    private let wakeup: AsyncStream<Void>.Continuation

    init(pool: PostgresPool, reconciler: Reconciler) {
        self.pool = pool
        self.reconciler = reconciler
        (wakeups, wakeup) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(1))
    }

    private struct Subject: Decodable {
        var environment: EnvironmentID?
    }

    func route(_ record: Record) {
        if record.topic == Topic.environments.name {
            reconciler.mark(EnvironmentID(record.key))
        } else if let value = record.value,
            let environment = (try? JSONDecoder().decode(Subject.self, from: value))?.environment
        {
            reconciler.mark(environment)
        } else {
            wakeup.yield()
        }
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            for await _ in self.wakeups { await self.reconciler.markUnsettled() }
        }
    }
}
