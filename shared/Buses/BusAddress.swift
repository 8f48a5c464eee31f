// SPDX-License-Identifier: Apache-2.0

/// The value of `SLIPWAY_BUS_URL`: which bus, and where.
enum BusAddress: Sendable, Equatable {
    /// A libpq URL (Postgres manual, 34.1.1.2), as it is.
    case postgres(String)
    /// `host:port` of one or several brokers, as `bootstrap.servers` has them.
    case kafka([String])

    /// Says what was expected where the value is wrong, and never repeats it: it may hold a password.
    struct Problem: Error, Equatable {
        let expected: String
    }

    static let forms = "postgres://user:password@host:port/database or kafka://host:port[,host:port…]"
    static let brokersMax = 32

    init(_ text: String) throws(Problem) {
        guard let mark = text.firstRange(of: "://") else { throw Problem(expected: Self.forms) }
        let rest = text[mark.upperBound...]
        switch text[..<mark.lowerBound] {
        case "postgres", "postgresql":
            guard !rest.isEmpty else { throw Problem(expected: Self.forms) }
            self = .postgres(text)
        case "kafka": self = .kafka(try Self.brokers(rest))
        default: throw Problem(expected: Self.forms)
        }
    }

    private static func brokers(_ list: Substring) throws(Problem) -> [String] {
        if list.contains("@") {
            throw Problem(
                expected: "kafka://host:port[,host:port…] without user and password, which are "
                    + "SLIPWAY_BUS_KAFKA_USERNAME and SLIPWAY_BUS_KAFKA_PASSWORD")
        }
        let brokers = list.split(separator: ",", omittingEmptySubsequences: false)
        guard brokers.count <= brokersMax else {
            throw Problem(expected: "kafka:// with at most \(brokersMax) brokers, any of which leads to the others")
        }
        for (index, broker) in brokers.enumerated() where !isHostAndPort(broker) {
            throw Problem(
                expected: "kafka://host:port[,host:port…] with nothing after it; broker \(index + 1) is not host:port "
                    + "with a port from 1 to 65535")
        }
        return brokers.map(String.init)
    }

    /// An IPv6 address needs brackets (RFC 3986, 3.2.2).
    private static func isHostAndPort(_ text: Substring) -> Bool {
        guard let colon = text.lastIndex(of: ":") else { return false }
        let digits = text[text.index(after: colon)...]
        guard digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let port = UInt16(digits), port > 0
        else { return false }
        var host = text[..<colon]
        let isBracketed = host.first == "[" && host.last == "]"
        if isBracketed { host = host.dropFirst().dropLast() }
        return !host.isEmpty
            && host.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
                    true
                case UInt8(ascii: ":"): isBracketed
                default: false
                }
            }
    }
}
