// SPDX-License-Identifier: Apache-2.0

/// Follows chunked framing to its end (RFC 9112, section 7.1) so that the bytes can be passed on as they are.
///
/// Stricter than the grammar where programs are known to differ: line feeds only after carriage returns, no blanks
/// around sizes, no control characters in extensions and trailers.
struct ChunkedScanner: Equatable {
    private enum State: Equatable {
        case size(digits: Int)
        case chunkExtension
        case sizeLineFeed
        case data
        case dataCarriageReturn
        case dataLineFeed
        case trailerStart
        case trailerName
        case trailerValue
        case trailerLineFeed
        case endLineFeed
        case done
    }

    private static let sizeDigitsMax = 15

    private var state = State.size(digits: 0)
    /// Bytes left of the chunk.
    private var remaining = 0
    private var extensionBytes = 0
    private var trailerBytes = 0

    var isDone: Bool { state == .done }

    /// How many of `bytes` belong to the body; fewer than all only when it has ended. `nil`: malformed.
    mutating func consume(_ bytes: CheckedBytes) -> Int? {
        var index = 0
        while index < bytes.count, state != .done {
            if state == .data {
                let count = min(remaining, bytes.count - index)
                remaining -= count
                index += count
                if remaining == 0 { state = .dataCarriageReturn }
            } else {
                guard let next = step(bytes[index]) else { return nil }
                state = next
                index += 1
            }
        }
        return index
    }

    private mutating func step(_ byte: UInt8) -> State? {
        switch state {
        case .size(let digits): return sizeStep(byte, digits)
        case .chunkExtension:
            extensionBytes += 1
            if byte == ASCII.carriageReturn { return .sizeLineFeed }
            guard ASCII.isFieldValue(byte), extensionBytes <= IngressLimits.chunkExtensionBytesMax else { return nil }
            return .chunkExtension
        case .sizeLineFeed:
            return byte != ASCII.lineFeed ? nil : remaining == 0 ? .trailerStart : .data
        case .dataCarriageReturn: return byte == ASCII.carriageReturn ? .dataLineFeed : nil
        case .dataLineFeed: return byte == ASCII.lineFeed ? .size(digits: 0) : nil
        case .trailerStart, .trailerName, .trailerValue, .trailerLineFeed:
            trailerBytes += 1
            return trailerBytes <= IngressLimits.trailerBytesMax ? trailerStep(byte) : nil
        case .endLineFeed: return byte == ASCII.lineFeed ? .done : nil
        case .data, .done: return nil
        }
    }

    private mutating func sizeStep(_ byte: UInt8, _ digits: Int) -> State? {
        if let value = ASCII.hexValue(byte) {
            guard digits < Self.sizeDigitsMax else { return nil }
            remaining = (digits == 0 ? 0 : remaining) * 16 + value
            return .size(digits: digits + 1)
        }
        guard digits > 0 else { return nil }
        switch byte {
        case ASCII.carriageReturn: return .sizeLineFeed
        case ASCII.semicolon: return .chunkExtension
        default: return nil
        }
    }

    private func trailerStep(_ byte: UInt8) -> State? {
        switch state {
        case .trailerStart:
            if byte == ASCII.carriageReturn { return .endLineFeed }
            return ASCII.isToken(byte) ? .trailerName : nil
        case .trailerName:
            if byte == ASCII.colon { return .trailerValue }
            return ASCII.isToken(byte) ? .trailerName : nil
        case .trailerValue:
            if byte == ASCII.carriageReturn { return .trailerLineFeed }
            return ASCII.isFieldValue(byte) ? .trailerValue : nil
        case .trailerLineFeed: return byte == ASCII.lineFeed ? .trailerStart : nil
        default: return nil
        }
    }
}
