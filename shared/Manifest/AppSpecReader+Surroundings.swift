// SPDX-License-Identifier: Apache-2.0
import Domain

/// What surrounds the program: services, variables, writable places, resources.
extension AppSpecReader {
    func readServices(_ field: Field) -> [String: ServiceSpec] {
        var services: [String: ServiceSpec] = [:]
        let entries = field.entries(expected: "a mapping of names to services, such as db: postgresql:15")
        if entries.count > ManifestLimits.servicesMax {
            field.fail("found \(entries.count) services, at most \(ManifestLimits.servicesMax) are allowed")
        }
        for (name, key, value) in entries {
            if !Slug.isValid(name) { key.fail("a service's name is \(Slug.rule)") }
            services[name] = readService(value)
        }
        return services
    }

    private func readService(_ field: Field) -> ServiceSpec? {
        let kinds = ServiceSpec.Kind.allCases.map(\.rawValue)
        let expected = "a service and its version, such as postgresql:15"
        guard let text = field.text(expected: expected) else { return nil }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let kind = ServiceSpec.Kind(rawValue: String(parts[0])) else {
            let advice =
                NearestWord.to(String(parts[0]), among: kinds).map { "did you mean \($0)?" }
                ?? "offered are \(kinds.joined(separator: ", "))"
            field.fail("found \(field.tree.found), expected \(expected): \(advice)")
            return nil
        }
        guard parts.count == 2, Rules.isVersion(parts[1], parts: 1...2) else {
            field.fail(expected: expected)
            return nil
        }
        return ServiceSpec(kind: kind, version: String(parts[1]))
    }

    /// - Parameter services: as declared, so that one whose value is wrong still counts as declared.
    func readRelationships(_ field: Field, services: Field?, environment: [String: String]) -> [String: String] {
        var declared: [String] = []
        if case .mapping(let entries)? = services?.tree.kind { declared = entries.map(\.key) }
        var relationships: [String: String] = [:]
        let entries = field.entries(expected: "a mapping of variables to services, such as DATABASE_URL: db")
        for (name, key, value) in entries {
            checkVariable(name, key)
            if environment[name] != nil { key.fail("also set under environment: keep one of them") }
            guard let service = value.text(expected: "the name of a service declared under services") else { continue }
            guard declared.contains(service) else {
                let advice =
                    NearestWord.to(service, among: declared).map { "did you mean \($0)?" }
                    ?? "declare it, such as services: { \(Tree.shown(service)): postgresql:15 }"
                value.fail("found \(value.tree.found), which is not declared under services: \(advice)")
                continue
            }
            relationships[name] = service
        }
        return relationships
    }

    func readEnvironment(_ field: Field) -> [String: String] {
        var environment: [String: String] = [:]
        let entries = field.entries(expected: "a mapping of variables to values, such as GREETING: hello")
        if entries.count > Limits.environmentVariablesMax {
            field.fail("found \(entries.count) variables, at most \(Limits.environmentVariablesMax) are allowed")
        }
        for (name, key, value) in entries {
            checkVariable(name, key)
            guard case .text(let text, _) = value.tree.kind, !value.tree.isNothing else {
                value.fail(expected: "a text; an empty one is written \"\"")
                continue
            }
            guard text.utf8.count <= Limits.environmentValueBytesMax else {
                value.fail(
                    "the value has \(text.utf8.count) bytes, at most \(Limits.environmentValueBytesMax) are allowed")
                continue
            }
            environment[name] = text
        }
        return environment
    }

    private func checkVariable(_ name: String, _ key: Field) {
        if !Rules.isVariableName(name) {
            key.fail("a variable's name has letters, digits and underscores and does not begin with a digit")
        } else if Rules.isReservedVariable(name) {
            key.fail("PORT and names that begin with SLIPWAY_ are set by the platform: choose another name")
        }
    }

    func readMounts(_ field: Field) -> [String: MountSpec] {
        var mounts: [String: MountSpec] = [:]
        let entries = field.entries(expected: "a mapping of paths to sizes, such as /var/cache/app: 64MB")
        if entries.count > ManifestLimits.mountsMax {
            field.fail("found \(entries.count) mounts, at most \(ManifestLimits.mountsMax) are allowed")
        }
        for (path, key, value) in entries {
            if let problem = Rules.mountProblem(path) { key.fail(problem) }
            mounts[path] = value.bytes(in: ManifestLimits.mountBytes).map { MountSpec(sizeBytes: $0) }
        }
        return mounts
    }

    func readResources(_ field: Field) -> ResourceSpec {
        var resources = ResourceSpec()
        guard let section = field.section(["memory", "cpu", "pids"]) else { return resources }
        let memory = section["memory"].flatMap { $0.bytes(in: ManifestLimits.memoryBytes) }
        let cpu = section["cpu"].flatMap {
            $0.quantity(
                in: ManifestLimits.cpuMillis, expected: "cores from 0.05 to 64, such as 0.5 or 2", Quantity.cpuMillis)
        }
        let pids = section["pids"].flatMap {
            let range = ManifestLimits.pids
            return $0.integer(in: range, expected: "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        resources.memoryBytes = memory ?? resources.memoryBytes
        resources.cpuMillis = cpu ?? resources.cpuMillis
        resources.pidsMax = pids ?? resources.pidsMax
        return resources
    }
}
