// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ControlPanel

private let zero = String(repeating: "0", count: 40)
private let one = String(repeating: "1", count: 40)
private let two = String(repeating: "2", count: 40)

@Suite struct PushCommandsTests {
    private let request: [UInt8] =
        PktLine.packet(Array("\(zero) \(one) refs/heads/main\0 report-status side-band-64k agent=git/2".utf8))
        + PktLine.packet(Array("\(one) \(two) refs/heads/feature/x\n".utf8))
        + PktLine.packet(Array("\(one) \(zero) refs/tags/v1".utf8)) + PktLine.flush + Array("PACK…".utf8)

    private let expected = [
        ReferenceUpdate(old: zero, new: one, name: "refs/heads/main"),
        ReferenceUpdate(old: one, new: two, name: "refs/heads/feature/x"),
        ReferenceUpdate(old: one, new: zero, name: "refs/tags/v1"),
    ]

    @Test(arguments: [1, 3, 7, 64, 10_000])
    func commandsAreReadHoweverTheBytesArrive(chunk: Int) {
        var commands = PushCommands()
        var rest = request[...]
        while !rest.isEmpty {
            commands.receive(rest.prefix(chunk))
            rest = rest.dropFirst(chunk)
        }
        #expect(commands.phase == .complete)
        #expect(commands.updates == expected)
        #expect(commands.hasSideband)
        #expect(commands.updates.map(\.isDeletion) == [false, false, true])
        #expect(commands.updates.map(\.branch) == ["main", "feature/x", nil])
    }

    @Test func aShallowClientsBoundaryIsPassedOver() {
        var commands = PushCommands()
        commands.receive(PktLine.packet(Array("shallow \(one)".utf8)) + request)
        #expect(commands.updates == expected)
    }

    @Test func aProbeHasNoCommands() {
        var commands = PushCommands()
        commands.receive(PktLine.flush)
        #expect(commands.phase == .complete)
        #expect(commands.updates.isEmpty && !commands.hasSideband)
    }

    @Test(arguments: ["hello world", "0003", "zzzz", "0008nope"])
    func whatGitDoesNotSendIsUnreadable(text: String) {
        var commands = PushCommands()
        commands.receive(Array(text.utf8))
        #expect(commands.phase == .unreadable)
    }

    @Test func commandsAreBounded() {
        var commands = PushCommands()
        let packet = PktLine.packet(Array("\(zero) \(one) refs/heads/\(String(repeating: "a", count: 200))".utf8))
        for _ in 0..<2_000 { commands.receive(packet) }
        #expect(commands.phase == .unreadable)
    }

    @Test func anyBytesEndSomewhereWithoutATrap() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<500 {
            var commands = PushCommands()
            let count = Int.random(in: 0...300, using: &generator)
            commands.receive((0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
        }
    }
}

@Suite struct PktLineTests {
    @Test func packetsCountTheirLength() {
        #expect(PktLine.packet(Array("a\n".utf8)) == Array("0006a\n".utf8))
        #expect(PktLine.keepAlive == Array("0005\u{1}".utf8))
    }

    @Test func longProgressIsSplit() {
        let packets = PktLine.progress(String(repeating: "x", count: PktLine.sidebandBytesMax + 1))
        #expect(packets.count == PktLine.sidebandBytesMax + 1 + 2 * 5)
        #expect(String(decoding: packets.prefix(4), as: UTF8.self) == "fff0")
    }
}

@Suite struct CGIHeadTests {
    private let response = Array("Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nbody".utf8)

    @Test(arguments: [1, 5, 100])
    func theHeadIsReadHoweverItArrives(chunk: Int) {
        var head = CGIHead()
        var rest = response[...]
        var body: [UInt8] = []
        var fields: CGIHead.Fields?
        while !rest.isEmpty {
            let bytes = Array(rest.prefix(chunk))
            rest = rest.dropFirst(chunk)
            if fields != nil {
                body += bytes
            } else if case .complete(let found, let start) = head.receive(bytes) {
                fields = found
                body = start
            }
        }
        #expect(fields == CGIHead.Fields(status: 404, headers: ["content-type": "text/plain"]))
        #expect(body == Array("body".utf8))
    }

    @Test func withoutAStatusItIs200() {
        var head = CGIHead()
        #expect(
            head.receive(Array("Expires: never\n\n".utf8))
                == .complete(.init(status: 200, headers: ["expires": "never"]), body: []))
    }

    @Test func nonsenseAndEndlessHeadsAreMalformed() {
        var head = CGIHead()
        #expect(head.receive(Array("no colon\n\n".utf8)) == .malformed)
        var endless = CGIHead()
        #expect(endless.receive(Array(repeating: 0x61, count: PanelLimits.responseHeadBytesMax + 1)) == .malformed)
    }
}

@Suite struct FlushHolderTests {
    @Test(arguments: [1, 2, 3, 4, 5, 100])
    func theLastFourBytesAreKeptBack(chunk: Int) {
        var holder = FlushHolder()
        var passed: [UInt8] = []
        var rest = Array("0006a\n0000".utf8)[...]
        while !rest.isEmpty {
            passed += holder.pass(Array(rest.prefix(chunk)))
            rest = rest.dropFirst(chunk)
        }
        #expect(passed == Array("0006a\n".utf8))
        #expect(holder.endsWithFlush)
    }

    @Test func anEmptyResponseHasNoFlush() {
        #expect(!FlushHolder().endsWithFlush)
    }
}
