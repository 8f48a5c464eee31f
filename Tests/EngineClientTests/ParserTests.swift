// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Testing

@testable import EngineClient

/// Cuts `bytes` at random places, some pieces empty.
func pieces(of bytes: [UInt8], using generator: inout some RandomNumberGenerator) -> [[UInt8]] {
    var pieces: [[UInt8]] = []
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = Int.random(in: 0...min(7, rest.count), using: &generator)
        pieces.append(Array(rest.prefix(count)))
        rest = rest.dropFirst(count)
    }
    return pieces
}

/// A small generator with a seed, so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        // SplitMix64, https://prng.di.unimi.it/splitmix64.c
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

@Suite struct LogFrameTests {
    static func frame(_ stream: UInt8, _ payload: [UInt8]) -> [UInt8] {
        let length = UInt32(payload.count)
        var frame: [UInt8] = [stream, 0, 0, 0]
        for shift: UInt32 in [24, 16, 8, 0] { frame.append(UInt8(truncatingIfNeeded: length >> shift)) }
        return frame + payload
    }

    @Test(arguments: UInt64(0)..<50)
    func framesAreTheSameHoweverTheBytesAreSplit(seed: UInt64) throws {
        var generator = SeededGenerator(state: seed)
        let payloads: [(UInt8, [UInt8])] = [
            (1, Array("hello\n".utf8)), (2, []), (2, Array("oh no\n".utf8)), (1, Array(repeating: 0x61, count: 300)),
        ]
        let bytes = payloads.flatMap { Self.frame($0.0, $0.1) }
        var parser = LogFrameParser()
        var frames: [LogFrameParser.Frame] = []
        for piece in pieces(of: bytes, using: &generator) { frames += try parser.append(piece) }
        #expect(frames.map(\.payload) == payloads.map(\.1), "seed \(seed)")
        #expect(frames.map(\.stream) == [.standardOutput, .standardError, .standardError, .standardOutput])
    }

    @Test func outputOfATerminalIsRefused() {
        var parser = LogFrameParser()
        #expect(throws: EngineError.self) { try parser.append(Array("plain text".utf8)) }
    }

    @Test func frameBeyondTheLimitIsRefused() {
        var parser = LogFrameParser()
        #expect(throws: EngineError.self) { try parser.append([1, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]) }
    }

    @Test func timestampIsTakenOffAndKeptToTheNanosecond() throws {
        let text = Array("2026-01-31T10:00:00.123456789Z some text\n".utf8)
        let chunk = try LogChunk(LogFrameParser.Frame(stream: .standardError, payload: text))
        #expect(chunk.bytes == Array("some text\n".utf8))
        #expect(chunk.at.rfc3339 == "2026-01-31T10:00:00.123456Z")
        #expect(chunk.nanoseconds % 1_000 == 789)
    }

    @Test(arguments: ["no time here\n", "", "9999-12-31T23:59:59Z far\n"])
    func lineWithoutUsableTimestampIsRefused(text: String) {
        #expect(throws: EngineError.self) {
            try LogChunk(LogFrameParser.Frame(stream: .standardOutput, payload: Array(text.utf8)))
        }
    }
}

@Suite struct LineAssemblerTests {
    @Test(arguments: UInt64(0)..<50)
    func linesAreTheSameHoweverTheBytesAreSplit(seed: UInt64) {
        var generator = SeededGenerator(state: seed)
        var assembler = LineAssembler(lineBytesMax: 100)
        var lines: [String] = []
        for piece in pieces(of: Array("one\r\ntwo\n\nthrée\nrest".utf8), using: &generator) {
            lines += assembler.append(piece)
        }
        #expect(lines == ["one", "two", "", "thrée"], "seed \(seed)")
        #expect(assembler.finish() == "rest")
        #expect(assembler.finish() == nil)
    }

    @Test func longLineIsCutBeforeACharacterThatDoesNotFit() {
        var assembler = LineAssembler(lineBytesMax: 4)
        #expect(assembler.append(Array("abcé and much more\nnext\n".utf8)) == ["abc", "next"])
    }

    @Test func lineOfExactlyTheLimitIsWhole() {
        var assembler = LineAssembler(lineBytesMax: 4)
        #expect(assembler.append(Array("abcd\n".utf8)) == ["abcd"])
    }

    @Test func overwrittenTextIsReducedToItsLastState() {
        var assembler = LineAssembler(lineBytesMax: 100)
        #expect(assembler.append(Array(" 10 %\r 50 %\r100 %\n".utf8)) == ["100 %"])
    }

    @Test func invalidUTF8IsReplaced() {
        var assembler = LineAssembler(lineBytesMax: 100)
        #expect(assembler.append([0x61, 0xff, 0x62, 0x0a]) == ["a\u{fffd}b"])
    }
}

@Suite struct ProgressReaderTests {
    @Test(arguments: UInt64(0)..<50)
    func buildIsReadHoweverTheBytesAreSplit(seed: UInt64) throws {
        var generator = SeededGenerator(state: seed)
        let text =
            #"{"stream":"Step 1/2 : FROM python\n"}"# + "\r\n" + #"{"stream":" ---\u003e 12"}"# + "\r\n"
            + #"{"stream":"34\nStep 2/2"}"# + "\n\n" + #"{"stream":" : RUN x\n"}"# + "\r\n"
            + #"{"aux":{"ID":"sha256:abc"}}"# + "\r\n" + #"{"stream":"Successfully built"}"#
        var reader = ProgressReader()
        var lines: [String] = []
        for piece in pieces(of: Array(text.utf8), using: &generator) { lines += try reader.append(piece) }
        lines += reader.finish()
        #expect(
            lines == ["Step 1/2 : FROM python", " ---> 1234", "Step 2/2 : RUN x", "Successfully built"], "seed \(seed)")
        #expect(reader.imageID == "sha256:abc")
        #expect(reader.failure == nil)
    }

    @Test func failedStepGivesTheEnginesMessageAndExitCode() throws {
        var reader = ProgressReader()
        _ = try reader.append(
            Array((#"{"errorDetail":{"code":7,"message":"step returned 7"},"error":"step returned 7"}"# + "\n").utf8))
        #expect(reader.failure?.message == "step returned 7")
        #expect(reader.failure?.status == 7)
        #expect(reader.failure?.code == .refused)
    }

    @Test func progressBarsAreLeftOut() throws {
        var reader = ProgressReader()
        let lines = try reader.append(
            Array(
                (#"{"status":"Pulling fs layer","id":"a1"}"# + "\n"
                    + #"{"status":"Downloading","progressDetail":{"current":1},"progress":"[=> ]","id":"a1"}"# + "\n"
                    + #"{"status":"Digest: sha256:00"}"# + "\n").utf8))
        #expect(lines == ["a1: Pulling fs layer", "Digest: sha256:00"])
    }

    @Test func unknownFormOfAFieldDoesNotHideTheOthers() throws {
        var reader = ProgressReader()
        let lines = try reader.append(Array((#"{"aux":"b64","id":7,"stream":"text\n"}"# + "\n").utf8))
        #expect(lines == ["text"])
    }

    @Test func messageBeyondTheLimitIsRefused() {
        var parser = JSONLineParser()
        #expect(throws: EngineError.self) {
            try parser.append([UInt8](repeating: 0x20, count: EngineLimits.messageBytesMax + 1))
        }
    }
}
