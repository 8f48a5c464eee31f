// SPDX-License-Identifier: Apache-2.0

/// Git's packets: four hexadecimal digits of length, which count themselves, then the content.
/// Source: gitprotocol-common(5), gitprotocol-pack(5).
enum PktLine {
    static let flush = Array("0000".utf8)
    /// Content of one side-band packet: 65520 less length and band.
    static let sidebandBytesMax = 65_515

    static func packet(_ content: some Collection<UInt8>) -> [UInt8] {
        let digits = String(content.count + 4, radix: 16)
        return Array((String(repeating: "0", count: 4 - digits.count) + digits).utf8) + content
    }

    /// Progress for the user: Git shows it on its standard error with `remote: ` before each line.
    static func progress(_ text: String) -> [UInt8] {
        var packets: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            packets += packet([UInt8(2)] + Array(rest.prefix(sidebandBytesMax)))
            rest = rest.dropFirst(sidebandBytesMax)
        }
        return packets
    }

    /// An empty packet of band 1, as Git's own servers send to keep a connection.
    static let keepAlive = packet([UInt8(1)])

    /// Ends the exchange with an error message; understood at any place of a response without side-bands.
    static func fatal(_ text: String) -> [UInt8] { packet(Array("ERR \(text)\n".utf8)) }

    /// As `fatal`, in a response with side-bands.
    static func sidebandFatal(_ text: String) -> [UInt8] { packet([UInt8(3)] + Array("\(text)\n".utf8)) }
}
