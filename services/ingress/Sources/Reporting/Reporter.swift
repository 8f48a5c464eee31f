// SPDX-License-Identifier: Apache-2.0
import EventBus
import ServiceLifecycle

/// Brings the loops' journals to the metrics and the access log. Sleeps while nothing happens.
actor Reporter: Service {
    typealias Sink = @Sendable ([AccessEntry]) -> Void

    private let journals: [LoopJournal]
    private let news: Signal
    private let sink: Sink?
    private var metrics = IngressMetrics()

    /// - Parameter sink: takes the access log; `nil` keeps none.
    init(journals: [LoopJournal], news: Signal, sink: Sink?) {
        self.journals = journals
        self.news = news
        self.sink = sink
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                let count = self.news.count
                await self.report()
                await self.news.wait(since: count, timeout: .seconds(3600))
                // Lets what comes together be reported together.
                try? await Task.sleep(for: IngressIntervals.reportDebounce)
            }
        }
        report()
    }

    func report() {
        var (connections, inFlight) = (0, 0)
        for journal in journals {
            let (entries, tally) = journal.drain()
            metrics.report(tally, entries)
            connections += tally.connections
            inFlight += tally.requestsInFlight
            sink?(entries)
        }
        metrics.report(connections: connections, inFlight: inFlight)
    }
}
