// SPDX-License-Identifier: Apache-2.0
import Events
import FoundationEssentials

/// The routes as they were last followed, in a file: what an ingress that starts without the bus serves.
struct RouteSnapshot: Codable, Equatable, Sendable {
    private static let formatNow = 1

    var format = RouteSnapshot.formatNow
    var generation: Int
    var routes: [RouteDesired]

    init(generation: Int, routes: [RouteDesired]) {
        self.generation = generation
        self.routes = routes
    }

    init(_ table: RouteTable) {
        self.init(generation: table.generation, routes: table.desired)
    }

    static func path(in directory: String) -> String { directory + "/routes.json" }

    /// - Returns: `nil` when there is none yet.
    /// - Throws: when there is one that cannot be used.
    static func read(from path: String) throws -> RouteSnapshot? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        let snapshot = try JSONDecoder().decode(RouteSnapshot.self, from: Data(contentsOf: URL(filePath: path)))
        guard snapshot.format == formatNow else {
            throw IngressError("\(path) has format \(snapshot.format), expected \(formatNow)")
        }
        return snapshot
    }

    /// Readers see the old file or the new one, never a part.
    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try encoder.encode(self).write(to: URL(filePath: path), options: .atomic)
    }
}
