// SPDX-License-Identifier: Apache-2.0
import HTTPTypes

/// Which methods a path knows: tells a wrong method from a wrong path.
struct RouteTable: Sendable {
    private struct Entry: Sendable {
        var template: [Substring]
        var methods: Set<HTTPRequest.Method>
    }

    private var entries: [String: Entry] = [:]

    /// - Parameter routes: path templates with `{parameters}`, and a method each.
    init(_ routes: [(path: String, method: HTTPRequest.Method)]) {
        for route in routes {
            entries[route.path, default: Entry(template: route.path.split(separator: "/"), methods: [])]
                .methods.insert(route.method)
        }
    }

    /// Empty when no route has this path.
    func methods(at path: String) -> Set<HTTPRequest.Method> {
        let parts = path.split(separator: "/")
        return entries.values.reduce(into: []) { methods, entry in
            guard entry.template.count == parts.count,
                zip(entry.template, parts).allSatisfy({ Self.matches($0, $1) })
            else { return }
            methods.formUnion(entry.methods)
        }
    }

    private static func matches(_ template: Substring, _ part: Substring) -> Bool {
        guard template.first == "{", let end = template.firstIndex(of: "}") else { return template == part }
        return part.hasSuffix(template[template.index(after: end)...])
    }
}
