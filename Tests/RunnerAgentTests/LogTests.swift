// SPDX-License-Identifier: Apache-2.0
import Domain
import EngineClient
import Events
import Testing

@testable import RunnerAgent

@Suite struct LogBufferTests {
    private func filled(_ lines: Int, text: String = "line") -> LogBuffer {
        var buffer = LogBuffer()
        for index in 0..<lines { buffer.append(text, nanoseconds: Int64(index) * 1_000, now: Sample.start) }
        return buffer
    }

    @Test func linesWaitForCompanyButNotLong() {
        let buffer = filled(3)
        #expect(!buffer.isDue(at: Sample.start))
        #expect(buffer.isDue(at: Sample.start.advanced(by: RunnerLimits.logBatchAge)))
    }

    @Test func fullOrUrgentBatchIsDueAtOnce() {
        #expect(filled(RunnerLimits.logBatchLines).isDue(at: Sample.start))
        var urgent = filled(1)
        urgent.isUrgent = true
        #expect(urgent.isDue(at: Sample.start))
        #expect(!LogBuffer().isDue(at: Sample.start))
    }

    @Test func batchStaysUntilItIsRemovedAndWhatCameMeanwhileRemains() throws {
        var buffer = filled(RunnerLimits.logBatchLines + 5)
        let batch = try #require(buffer.batch())
        #expect(batch.lines.count == RunnerLimits.logBatchLines)
        #expect(buffer.batch() == batch)
        buffer.append("late", nanoseconds: 9, now: Sample.start)
        buffer.remove(batch, now: Sample.start)
        let rest = try #require(buffer.batch())
        #expect(rest.lines.count == 6)
        #expect(rest.lines.last?.text == "late")
        buffer.remove(rest, now: Sample.start)
        #expect(buffer.isEmpty)
        #expect(buffer.cost == 0)
        #expect(buffer.lineCount == 0)
    }

    @Test func floodIsCutToTheRateAndTheLossIsCounted() throws {
        let limit = RunnerLimits.logLinesPerSecondMax
        var buffer = filled(limit + 70)
        var lines = 0
        while let batch = buffer.batch(), batch.dropped == 0 {
            lines += batch.lines.count
            buffer.remove(batch, now: Sample.start)
        }
        #expect(lines == limit)
        buffer.append("next second", nanoseconds: 1, now: Sample.at(1))
        var dropped = 0
        while let batch = buffer.batch() {
            dropped += batch.dropped
            lines += batch.lines.count
            buffer.remove(batch, now: Sample.start)
        }
        #expect(dropped == 70)
        #expect(lines == limit + 1)
    }

    @Test func lossWhileABatchIsUnderWayIsNotForgotten() throws {
        var buffer = LogBuffer()
        buffer.append("a", nanoseconds: 1, now: Sample.start, hasRoom: false)
        let batch = try #require(buffer.batch())
        #expect(batch.dropped == 1)
        buffer.append("b", nanoseconds: 2, now: Sample.start, hasRoom: false)
        buffer.append("c", nanoseconds: 3, now: Sample.start, hasRoom: false)
        buffer.remove(batch, now: Sample.start)
        #expect(buffer.batch()?.dropped == 2)
    }

    @Test func batchStaysBelowItsSizeEvenWhenEveryByteIsEscaped() throws {
        let line = String(repeating: "\u{1}", count: Limits.logLineBytesMax)
        var buffer = filled(40, text: line)
        var count = 0
        while let batch = buffer.batch() {
            let bytes = batch.lines.reduce(0) { $0 + LogBuffer.encodedBytes($1.text) }
            #expect(bytes <= RunnerLimits.logBatchBytesMax)
            count += batch.lines.count + batch.dropped
            buffer.remove(batch, now: Sample.start)
        }
        #expect(count == 40)
    }

    @Test func memoryIsBoundedWhileTheBusIsAway() {
        var buffer = LogBuffer()
        for second in 0..<10 {
            for _ in 0..<RunnerLimits.logLinesPerSecondMax {
                buffer.append("x", nanoseconds: 1, now: Sample.at(Double(second)))
            }
        }
        #expect(buffer.lineCount == RunnerLimits.logLinesWaitingMax)
    }
}

@Suite struct LogAssemblyTests {
    private func chunk(_ text: String, _ nanoseconds: Int64, _ stream: LogChunk.Stream = .standardOutput) -> LogChunk {
        LogChunk(stream: stream, nanoseconds: nanoseconds, bytes: Array(text.utf8))
    }

    @Test func piecesOfALineAreJoinedStreamByStream() {
        var assembly = LogAssembly(readBefore: 0)
        #expect(assembly.append(chunk("one ", 1)) == [])
        #expect(assembly.append(chunk("error\n", 2, .standardError)).map(\.text) == ["error"])
        #expect(assembly.append(chunk("line\n", 1)).map(\.text) == ["one line"])
    }

    @Test func whatWasReadBeforeIsLeftOut() {
        var assembly = LogAssembly(readBefore: 100)
        #expect(assembly.append(chunk("old\n", 99)) == [])
        #expect(assembly.append(chunk("last\n", 100)) == [])
        #expect(assembly.append(chunk("new\n", 101)) == [.init(text: "new", nanoseconds: 101)])
    }

    @Test func lastLineWithoutAnEndIsNotLost() {
        var assembly = LogAssembly(readBefore: 0)
        _ = assembly.append(chunk("no end", 5))
        #expect(assembly.finish() == [.init(text: "no end", nanoseconds: 5)])
        #expect(assembly.finish() == [])
    }

    @Test func nulIsReplaced() {
        #expect(LogAssembly.clean("a\0b") == "a\u{fffd}b")
    }
}
