// SPDX-License-Identifier: Apache-2.0
import Domain
import Manifest
import Testing

private let start = "build: { runtime: node:20 }\nweb: { command: ./run }\n"

/// A manifest with one fault and the one problem it is to give.
struct Fault: Sendable, CustomTestStringConvertible {
    let yaml: String
    let problem: String
    var testDescription: String { problem }

    init(_ yaml: String, _ problem: String) {
        self.yaml = yaml
        self.problem = problem
    }
}

/// Statement by statement: one literal of all of them is slow to compile.
private func faults() -> [Fault] {
    var faults: [Fault] = []
    func add(_ yaml: String, _ problem: String) { faults.append(Fault(yaml, problem)) }
    add(
        "build: { runtime: node:20 }\nweb:\n  command: ./run\n  port: abc\n",
        "slipway.yaml:4: web.port: found \"abc\", expected a port from 1 to 65535")
    add(
        "build: { runtime: node:20 }\nweb: { command: ./run, port: 70000 }\n",
        "slipway.yaml:2: web.port: found \"70000\", expected a port from 1 to 65535")
    add(start + "instnaces: 2\n", "slipway.yaml:3: instnaces: unknown key: did you mean instances?")
    add(
        "build: { runtime: node:20, extra: 1 }\nweb: { command: ./run }\n",
        "slipway.yaml:1: build.extra: unknown key: expected one of runtime, dockerfile, hook")
    add(start + "instances: 33\n", "slipway.yaml:3: instances: found \"33\", expected a number from 1 to 32")
    add(start + "instances: 0\n", "slipway.yaml:3: instances: found \"0\", expected a number from 1 to 32")
    add(
        start + "instances:\n", "slipway.yaml:3: instances: found nothing, expected a number from 1 to 32")
    add(
        "web: { command: ./run }\n",
        "slipway.yaml: build: missing: say how the image is made, such as build: { runtime: python:3.11 } "
            + "or { dockerfile: Dockerfile }")
    add(
        "build: { runtime: node:20 }\nweb: { port: 80 }\n",
        "slipway.yaml:2: web.command: missing: a runtime needs to be told what to run, such as gunicorn app:app")
    add(
        "build: { runtime: pyton:3.11 }\nweb: { command: x }\n",
        "slipway.yaml:1: build.runtime: found \"pyton:3.11\", expected a language and its version, such as "
            + "python:3.11 or node:20: did you mean python?")
    add(
        "build: { runtime: python:2.7 }\nweb: { command: x }\n",
        "slipway.yaml:1: build.runtime: found \"python:2.7\", expected python:3.x, such as python:3.11")
    add(
        start + "services: { db: postgres:15 }\n",
        "slipway.yaml:3: services.db: found \"postgres:15\", expected a service and its version, such as "
            + "postgresql:15: did you mean postgresql?")
    add(
        start + "services: { db: postgresql }\n",
        "slipway.yaml:3: services.db: found \"postgresql\", expected a service and its version, such as "
            + "postgresql:15")
    add(
        start + "services: { database: postgresql:15 }\nrelationships: { DATABASE_URL: databse }\n",
        "slipway.yaml:4: relationships.DATABASE_URL: found \"databse\", which is not declared under services: "
            + "did you mean database?")
    add(
        start + "environment: { SLIPWAY_X: 1 }\n",
        "slipway.yaml:3: environment.SLIPWAY_X: PORT and names that begin with SLIPWAY_ are set by the platform: "
            + "choose another name")
    add(
        start + "environment: { 1A: x }\n",
        "slipway.yaml:3: environment.1A: a variable's name has letters, digits and underscores and does not begin "
            + "with a digit")
    add(
        start + "environment: { A: [1] }\n",
        "slipway.yaml:3: environment.A: found a list, expected a text; an empty one is written \"\"")
    add(start + "environment: { A: \"a\\0b\" }\n", "slipway.yaml:3: environment.A: holds a NUL character")
    add(
        start + "resources: { cpu: 0.01 }\n",
        "slipway.yaml:3: resources.cpu: found \"0.01\", expected cores from 0.05 to 64, such as 0.5 or 2")
    add(
        start + "resources: { memory: 64 }\n",
        "slipway.yaml:3: resources.memory: found \"64\", expected a size from 32MB to 64GB, such as 64MB or 1GB")
    add(start + "instances: 1\ninstances: 2\n", "slipway.yaml:3: instances: given more than once: keep one")
    add(
        "build: { runtime: node:20 }\nweb: { command: ./run, stop_grace: 1500ms }\n",
        "slipway.yaml:2: web.stop_grace: found \"1500ms\", expected whole seconds, such as 10s")
    add(
        "build: { dockerfile: Dockerfile, hook: make }\nweb: {}\n",
        "slipway.yaml:1: build.hook: a hook goes with a runtime: with a Dockerfile, write it there as a RUN line")
    add("", "slipway.yaml: the file is empty: expected at least the keys build and web")
    return faults
}

@Suite struct ManifestProblemTests {
    @Test(arguments: faults())
    func aFaultIsNamedWithItsPlaceAndWhatIsExpected(_ fault: Fault) {
        #expect(problems(fault.yaml) == [fault.problem])
    }

    @Test func allProblemsAreReportedAtOnceInTheOrderOfTheirLines() {
        let found = problems(
            "build: { dockerfile: ../Dockerfile }\nweb: { port: 0 }\ninstances: many\nmounts: { /: 1MB }\n")
        #expect(found.map { String($0.prefix(15)) } == (1...4).map { "slipway.yaml:\($0):" })
    }

    @Test(arguments: [
        "/etc/passwd", "../Dockerfile", "a/../../b", "a//b", "a/./b", "a/", "\"a\\0b\"", "..", "\"a\\nb\"",
    ])
    func aDockerfileOutsideTheRepositoryIsRefused(_ path: String) {
        let found = problems("build: { dockerfile: \(path) }\nweb: {}\n")
        #expect(found.count == 1 && found[0].hasPrefix("slipway.yaml:1: build.dockerfile: "), "\(found)")
    }

    @Test(arguments: [
        "/", "tmp", "/tmp/../etc", "/tmp/", "/tmp//a", "/proc", "/proc/1", "/sys/x", "/dev/shm", "/a:b", "\"/a\\tb\"",
    ])
    func aMountThatIsNoPlainPathOfTheAppIsRefused(_ path: String) {
        let found = problems(start + "mounts: { ? \(path) : 1MB }\n")
        #expect(found.count == 1 && found[0].hasPrefix("slipway.yaml:3: mounts."), "\(found)")
    }

    @Test(arguments: [[0xff, 0xfe, 0x00], [0x7f, 0x45, 0x4c, 0x46, 0x00], [0x61, 0x3a, 0xc3, 0x28]] as [[UInt8]])
    func whatIsNoTextIsSaidToBeNone(_ bytes: [UInt8]) {
        #expect(throws: ManifestErrors.self) { try Manifest.parse(bytes) }
        do {
            _ = try Manifest.parse(bytes)
        } catch {
            #expect("\(error)" == "slipway.yaml: not a text file: expected YAML in UTF-8")
        }
    }

    @Test func aFileThatIsTooLargeIsRefusedUnread() {
        let found = problems(start + "#" + String(repeating: "x", count: Limits.manifestBytesMax))
        #expect(found.count == 1 && found[0].contains("at most 65536 are allowed"), "\(found)")
    }

    @Test func brokenYAMLIsNamedWithItsLine() {
        let found = problems("build:\n\truntime: node:20\nweb: {}\n")
        #expect(found.count == 1 && found[0].hasPrefix("slipway.yaml:2: not valid YAML: "), "\(found)")
        #expect(found[0].hasSuffix("indent with spaces, not with tabs"), "\(found)")
    }

    @Test func aSecondDocumentIsRefused() {
        let found = problems(start + "---\n" + start)
        #expect(found.count == 1 && found[0].contains("another document"), "\(found)")
    }

    @Test func anchorsAndAliasesAreRefused() {
        let found = problems("build: &b { runtime: node:20 }\nweb: { command: ./run }\nrelease: *b\n")
        #expect(found.contains { $0.hasPrefix("slipway.yaml:1: build: anchors and aliases are not supported") })
    }

    @Test func aliasesThatMultiplyAreRefusedBeforeTheyDo() {
        var bomb = "a0: &a0 [x, x, x]\n"
        for level in 1...40 { bomb += "? [*a\(level - 1), *a\(level - 1)]\n: &a\(level) [*a\(level - 1)]\n" }
        let found = problems(bomb)
        #expect(found.count == 1 && found[0].contains("anchors and aliases are not supported"), "\(found)")
    }

    @Test(arguments: ["[", "{", "- ", "? "])
    func endlessNestingIsRefused(_ opener: String) {
        #expect(!problems("web: " + String(repeating: opener, count: 20_000)).isEmpty)
        #expect(!problems(String(repeating: opener, count: 20_000)).isEmpty)
    }

    @Test func nestingThatIsTooDeepIsRefused() {
        let deep = String(repeating: "[", count: 12) + String(repeating: "]", count: 12)
        let found = problems(start + "release: \(deep)\n")
        #expect(found.contains { $0.contains("nested more than 10 levels deep") }, "\(found)")
    }

    @Test func tagsAreRefused() {
        let found = problems(start + "environment: { A: !!binary aGVsbG8= }\n")
        #expect(found.count == 1 && found[0].contains("is not supported: write the value without it"), "\(found)")
    }

    @Test func moreProblemsThanAPersonReadsAreCounted() {
        let unknown = (0..<80).map { "unknown\($0): 1\n" }.joined()
        let found = problems(start + unknown)
        #expect(found.count == 51)
        #expect(found.last == "slipway.yaml: 30 more problems")
    }
}
