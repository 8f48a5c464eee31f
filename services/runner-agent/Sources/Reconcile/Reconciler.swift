// SPDX-License-Identifier: Apache-2.0
import ServiceLifecycle

/// Works on the instances that the queue names.
struct Reconciler: Service {
    let queue: WorkQueue
    let worker: InstanceWorker

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await self.queue.run(limit: RunnerLimits.concurrency) { instance, interrupt in
                await self.worker.reconcile(instance, interrupt: interrupt)
            }
        }
    }
}
