// SPDX-License-Identifier: Apache-2.0

/// Finds the end of a message head in bytes that arrive in any portions, looking at each byte once.
struct HeadScanner: Equatable {
    enum Result: Equatable {
        case incomplete
        /// The head with its empty line; 2 when there is nothing but an empty line.
        case complete(length: Int)
        case bareLineFeed
    }

    private var scanned = 0

    /// - Parameter bytes: all bytes since the head's beginning.
    mutating func scan(_ bytes: CheckedBytes) -> Result {
        while let lineFeed = bytes.firstLineFeed(from: scanned) {
            guard lineFeed >= 1, bytes[lineFeed - 1] == ASCII.carriageReturn else { return .bareLineFeed }
            scanned = lineFeed + 1
            // The line feed before was checked for its carriage return when it was found.
            if lineFeed == 1 || bytes[lineFeed - 2] == ASCII.lineFeed { return .complete(length: scanned) }
        }
        scanned = bytes.count
        return .incomplete
    }
}
