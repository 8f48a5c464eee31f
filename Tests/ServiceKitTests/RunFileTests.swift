// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Logging
import Synchronization
import Testing

@testable import ServiceKit

struct RunFileTests {
    private struct Messages: LogHandler {
        final class Record: Sendable {
            let lines = Mutex<[String]>([])
        }

        let record: Record
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.error

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            record.lines.withLock { $0.append("\(event.level) \(event.message) \(event.metadata ?? [:])") }
        }
    }

    private func withFolder(_ body: (String, Logger, Messages.Record) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "run-file-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let record = Messages.Record()
        try body(folder, Logger(label: "test") { _ in Messages(record: record) }, record)
    }

    @Test func itIsWrittenOnceAllListenersAreBound() throws {
        try withFolder { folder, logger, record in
            let file = RunFile(path: folder + "/run.json", listeners: ["admin", "panel"], logger: logger)
            file.bound("admin", port: 1)
            #expect(!FileManager.default.fileExists(atPath: folder + "/run.json"))
            file.bound("panel", port: 2)
            let text = try String(contentsOfFile: folder + "/run.json", encoding: .utf8)
            #expect(text.hasSuffix(",\"admin\":1,\"panel\":2}\n"))
            #expect(record.lines.withLock { $0 }.isEmpty)
        }
    }

    @Test func aFileThatCannotBeWrittenIsAnErrorThatNamesIt() throws {
        try withFolder { folder, logger, record in
            RunFile(path: folder + "/absent/run.json", listeners: ["admin"], logger: logger).bound("admin", port: 1)
            let lines = record.lines.withLock { $0 }
            #expect(lines.count == 1)
            #expect(lines.first?.hasPrefix("error the run file cannot be written") == true)
            #expect(lines.first?.contains("absent/run.json") == true)
        }
    }
}

struct ReadinessTests {
    @Test func whatIsOnlyWishedForIsNamedByAProcessThatIsReady() async {
        let readiness = Readiness()
        readiness.wish("bus") { "away" }
        var answer = await AdminServer.answer(of: readiness)
        #expect(answer == (.ok, "ok\nbus: away\n"))
        readiness.require("database") { "gone" }
        answer = await AdminServer.answer(of: readiness)
        #expect(answer == (.serviceUnavailable, "bus: away\ndatabase: gone\n"))
    }

    @Test func withoutProblemsTheAnswerIsOneWord() async {
        let readiness = Readiness()
        readiness.require("database") { nil }
        readiness.wish("bus") { nil }
        #expect(await AdminServer.answer(of: readiness) == (.ok, "ok\n"))
    }
}
