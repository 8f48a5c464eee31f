// SPDX-License-Identifier: Apache-2.0
import Domain
import Events
import Testing

@testable import Builder

@Suite struct BuildLogTests {
    private func publisher(_ bus: RecordingBus) -> LogPublisher {
        LogPublisher(
            bus: bus, source: BuilderService.source, environment: EnvironmentID("env_1"),
            deployment: DeploymentID("dpl_1"), logger: testLogger)
    }

    @Test func linesArriveInOrderInBatchesOfAtMostAHundred() async throws {
        let log = BuildLog()
        for number in 0..<250 { log.append("line \(number)") }
        log.finish()
        let bus = RecordingBus()
        await publisher(bus).run(log)
        #expect(try bus.logLines().map(\.lines.count) == [100, 100, 50])
        #expect(try bus.logText() == (0..<250).map { "line \($0)" })
        let first = try #require(try bus.logLines().first)
        #expect(first.source == .build && first.environment.rawValue == "env_1")
        #expect(first.deployment?.rawValue == "dpl_1" && first.dropped == 0)
    }

    @Test func linesWrittenWhilePublishingArriveToo() async throws {
        let log = BuildLog()
        let bus = RecordingBus()
        async let publishing: Void = publisher(bus).run(log)
        for number in 0..<1_000 {
            log.append("line \(number)")
            if number.isMultiple(of: 50) { await Task.yield() }
        }
        log.finish()
        await publishing
        #expect(try bus.logText() == (0..<1_000).map { "line \($0)" })
    }

    @Test func aBusThatIsAwayForAMomentLosesNothing() async throws {
        let log = BuildLog()
        log.append("a")
        log.finish()
        let bus = RecordingBus(failures: 2)
        await publisher(bus).run(log)
        #expect(try bus.logText() == ["a"])
    }

    @Test func aBatchOfLongLinesFitsIntoOneRecord() async throws {
        let log = BuildLog()
        let long = String(repeating: "\"", count: Limits.logLineBytesMax * 2)
        for _ in 0..<60 { log.append(long) }
        log.finish()
        let bus = RecordingBus()
        await publisher(bus).run(log)
        #expect(bus.records.count > 1)
        #expect(bus.records.allSatisfy { $0.size <= Limits.eventBytesMax })
        let texts = try bus.logText()
        #expect(texts.count == 60)
        #expect(texts.allSatisfy { $0.utf8.count <= Limits.logLineBytesMax && $0.hasSuffix("…") })
    }

    @Test func aLogThatIsTooLongEndsWithANote() {
        let log = BuildLog()
        var texts: [String] = []
        func drain() {
            while !log.isEmpty { texts += log.takeBatch().lines.map(\.text) }
        }
        for number in 0..<(BuilderLimits.logLinesMax + 10) {
            log.append("\(number)")
            if log.hasFullBatch { drain() }
        }
        log.finish()
        drain()
        #expect(texts.count == BuilderLimits.logLinesMax + 2)
        #expect(texts.suffix(2).first == "The log of this build has become too long: further lines are left out.")
        #expect(texts.last == "10 lines were left out.")
    }

    @Test func linesForWhichThereIsNoRoomAreCounted() {
        let log = BuildLog()
        for number in 0..<(BuilderLimits.logBufferLinesMax + 7) { log.append("\(number)") }
        let batch = log.takeBatch()
        #expect(batch.dropped == 7)
        log.lost(batch)
        #expect(log.takeBatch().dropped == 107)
    }

    @Test func secretsAreHiddenEvenWhereALineIsCut() {
        let log = BuildLog()
        log.hide([Requests.secret])
        let padding = String(repeating: "x", count: Limits.logLineBytesMax - 10)
        log.append("key=\(Requests.secret)")
        log.append(padding + Requests.secret)
        let texts = log.takeBatch().lines.map(\.text)
        #expect(texts.first == "key=[redacted]")
        #expect(texts.allSatisfy { !$0.contains("SENTINEL") })
        #expect(log.ending.tail.allSatisfy { !$0.contains("SENTINEL") })
    }

    @Test func theEndingHoldsTheLastStepAndWhatItWrote() {
        let log = BuildLog()
        log.append("Step 1/3 : FROM python:3.11-slim")
        log.append("pulling")
        log.append("Step 2/3 : RUN pip install flask")
        log.append(" ---> Running in 0123456789ab")
        for number in 0..<30 { log.append("output \(number)") }
        let (step, tail) = log.ending
        #expect(step?.description == "step 2 of 3, RUN pip install flask")
        #expect(tail == (10..<30).map { "output \($0)" })
    }

    @Test(arguments: [
        ("plain", "plain"), ("\u{1b}[31mred\u{1b}[0m", "red"), ("10%\r50%\r100%", "100%"), ("done\r", "done"),
        ("a\u{0}b\u{7}c", "abc"), ("a\tb", "a\tb"), ("\u{1b}", ""), ("\u{1b}[", ""), ("", ""),
        ("é\u{1b}[1mü", "éü"),
    ])
    func terminalControlIsTakenOut(_ raw: String, _ clean: String) {
        #expect(LogText.clean(raw) == clean)
    }

    @Test func aCutIsMadeBetweenCharacters() {
        #expect(LogText.cut("abc", to: 3) == "abc")
        #expect(LogText.cut("abcdefgh", to: 6) == "abc…")
        #expect(LogText.cut("üüüü", to: 6) == "ü…")
        #expect(LogText.cut("abc", to: 1).utf8.count <= 3)
    }

    @Test func everyLineOfASecretIsHidden() {
        let redactor = Redactor(["first line\nsecond line", "abc", "first line with more"])
        #expect(redactor.redact("second line here") == "[redacted] here")
        #expect(redactor.redact("abc stays, it is too short") == "abc stays, it is too short")
        #expect(redactor.redact("first line with more") == "[redacted]")
    }

    @Test(arguments: ["Step 1 : FROM x", "Step a/b : FROM x", "Step 1/2: FROM", "step 1/2 : FROM", "Steps", "Step "])
    func whatOnlyLooksLikeAStepIsNone(_ line: String) {
        #expect(BuildStep(line) == nil)
    }
}
