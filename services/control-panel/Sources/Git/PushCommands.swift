// SPDX-License-Identifier: Apache-2.0

/// One reference that a push changes.
struct ReferenceUpdate: Sendable, Hashable {
    var old: String
    var new: String
    var name: String

    var isDeletion: Bool { new.utf8.allSatisfy { $0 == 0x30 } }

    /// The branch, where the reference is one.
    var branch: String? { name.hasPrefix("refs/heads/") ? String(name.dropFirst("refs/heads/".count)) : nil }
}

/// Reads the commands at the start of a receive-pack request as its bytes come by: what is updated, and what the
/// client can do. What follows the commands is the pack, and is not looked at.
struct PushCommands: Sendable {
    enum Phase: Sendable, Equatable {
        case reading
        case complete
        /// Not what Git sends, or more of it than `PanelLimits.pushCommandsBytesMax`.
        case unreadable
    }

    private(set) var phase = Phase.reading
    private(set) var updates: [ReferenceUpdate] = []
    private(set) var capabilities: Set<String> = []
    private var buffer: [UInt8] = []
    /// Where the next packet begins in `buffer`.
    private var start = 0

    init() {}

    var hasSideband: Bool { capabilities.contains("side-band-64k") }

    mutating func receive(_ bytes: some Sequence<UInt8>) {
        guard phase == .reading else { return }
        buffer.append(contentsOf: bytes.prefix(PanelLimits.pushCommandsBytesMax + 1))
        while phase == .reading, let packet = nextPacket() { take(packet) }
        if phase == .reading, buffer.count > PanelLimits.pushCommandsBytesMax { phase = .unreadable }
        if phase != .reading { buffer = [] }
    }

    /// - Returns: `nil` when more bytes are needed or the commands have ended.
    private mutating func nextPacket() -> [UInt8]? {
        guard buffer.count >= start + 4 else { return nil }
        guard let length = Int(String(decoding: buffer[start..<(start + 4)], as: UTF8.self), radix: 16) else {
            phase = .unreadable
            return nil
        }
        if length == 0 {
            phase = .complete
            return nil
        }
        guard length > 4 else {
            phase = .unreadable
            return nil
        }
        guard buffer.count >= start + length else { return nil }
        defer { start += length }
        return Array(buffer[(start + 4)..<(start + length)])
    }

    private mutating func take(_ packet: [UInt8]) {
        var line = packet[...]
        if let zero = line.firstIndex(of: 0) {
            let text = String(decoding: line[(zero + 1)...], as: UTF8.self)
            capabilities = Set(text.split { $0 == " " || $0 == "\n" }.map(String.init))
            line = line[..<zero]
        }
        if line.last == 0x0a { line = line.dropLast() }
        let text = String(decoding: line, as: UTF8.self)
        // A shallow client names its boundary before the commands.
        if text.hasPrefix("shallow ") { return }
        let parts = text.split(separator: " ", maxSplits: 2)
        guard parts.count == 3, Self.isObjectID(parts[0]), Self.isObjectID(parts[1]) else {
            phase = .unreadable
            return
        }
        updates.append(ReferenceUpdate(old: String(parts[0]), new: String(parts[1]), name: String(parts[2])))
    }

    static func isObjectID(_ text: some StringProtocol) -> Bool {
        (text.utf8.count == 40 || text.utf8.count == 64)
            && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}
