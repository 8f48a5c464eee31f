// SPDX-License-Identifier: Apache-2.0
import Domain
import EventBus
import FoundationEssentials
import NIOCore
import Synchronization
import Testing

@testable import Ingress

struct ReportingTests {
    private struct Line: Codable {
        let time: String
        let level: String
        let service: String
        let client: String
        let method: String?
        let path: String?
        let status: Int
        let durationMicroseconds: Int
        let instance: String?
        let cause: String?

        enum CodingKeys: String, CodingKey {
            case time, level, service, client, method, path, status, instance, cause
            case durationMicroseconds = "duration_us"
        }
    }

    private func decoded(_ entry: AccessEntry) throws -> Line {
        var text: [UInt8] = []
        AccessLog.append(entry, at: Timestamp(microseconds: 0), service: "slipway-ingress", to: &text)
        #expect(text.last == UInt8(ascii: "\n"))
        return try JSONDecoder().decode(Line.self, from: Data(text))
    }

    @Test func aLogLineIsJSONWhateverThePathHolds() throws {
        let entry = AccessEntry(
            endedAt: .now(), duration: .milliseconds(2), client: "192.0.2.1", method: "GET", hostname: "a",
            path: "/\"quoted\\path\"", status: 200, instance: InstanceID("ins_1"))
        let line = try decoded(entry)
        #expect(line.time == "1970-01-01T00:00:00.000000Z")
        #expect(line.path == "/\"quoted\\path\"")
        #expect(line.durationMicroseconds == 2_000)
        #expect(line.instance == "ins_1" && line.cause == nil)
    }

    @Test func whatIsUnknownIsLeftOut() throws {
        let entry = AccessEntry(
            endedAt: .now(), duration: .nanoseconds(0), client: "192.0.2.1", status: 400, cause: "bad_request")
        let line = try decoded(entry)
        #expect(line.method == nil && line.path == nil && line.instance == nil)
        #expect(line.cause == "bad_request")
    }

    @Test func theJournalKeepsABoundedNumberOfEntriesAndCountsAll() {
        let journal = LoopJournal(news: Signal())
        journal.clientOpened(isAdmitted: true)
        for _ in 0..<IngressLimits.accessLogEntriesMax + 3 {
            journal.refused(.headTimeout, client: "192.0.2.1", logs: true)
        }
        let (entries, tally) = journal.drain()
        #expect(entries.count == IngressLimits.accessLogEntriesMax)
        #expect(tally.entriesDropped == 3)
        #expect(tally.responses[4] == IngressLimits.accessLogEntriesMax + 3)
        #expect(tally.connections == 1 && tally.connectionsAccepted == 1)
        let rest = journal.drain()
        #expect(rest.entries.isEmpty)
        #expect(rest.tally.connections == 1 && rest.tally.connectionsAccepted == 0)
    }

    @Test func theReporterIsWokenOnceForAllThatHappensUntilItComes() {
        let news = Signal()
        let journal = LoopJournal(news: news)
        for _ in 0..<10 { journal.requestBegan() }
        #expect(news.count == 1)
        _ = journal.drain()
        journal.clientClosed()
        #expect(news.count == 2)
    }

    @Test func aReportHandsOverEveryEntry() async {
        let news = Signal()
        let journals = [LoopJournal(news: news), LoopJournal(news: news)]
        let ledger = Ledger()
        let reporter = Reporter(journals: journals, news: news, sink: { ledger.add($0) })
        for journal in journals { journal.refused(.headTimeout, client: "192.0.2.1", logs: true) }
        await reporter.report()
        #expect(ledger.entries.count == 2)
    }

    private final class Ledger: Sendable {
        private let state = Mutex<[AccessEntry]>([])
        func add(_ entries: [AccessEntry]) { state.withLock { $0 += entries } }
        var entries: [AccessEntry] { state.withLock { $0 } }
    }

    @Test func limitsFollowTheFilesThatMayBeOpen() {
        #expect(IngressLimits.connections(openFilesMax: 1_024) == 448)
        #expect(IngressLimits.connections(openFilesMax: 1_048_576) == IngressLimits.connectionsMax)
        #expect(IngressLimits.connections(openFilesMax: 0) == 16)
    }
}
