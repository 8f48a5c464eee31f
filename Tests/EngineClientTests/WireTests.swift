// SPDX-License-Identifier: Apache-2.0
import Domain
import FoundationEssentials
import Testing

@testable import EngineClient

@Suite struct WireTests {
    // The engine's names.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    private struct CreateBody: Decodable {
        struct Host: Decodable {
            var ReadonlyRootfs: Bool
            var CapDrop: [String]
            var SecurityOpt: [String]
            var Memory: Int
            var MemorySwap: Int
            var NanoCpus: Int
            var PidsLimit: Int
            var Init: Bool
            var NetworkMode: String
            var Tmpfs: [String: String]
            var RestartPolicy: [String: String]
            var PortBindings: [String: [[String: String]]]
        }

        var Image: String
        var Entrypoint: [String]
        var Cmd: [String]?
        var Env: [String]
        var HostConfig: Host
    }

    @Test func hardenedContainerIsAskedForAsTheEngineNamesIt() throws {
        var spec = ContainerSpec(image: "sha256:1")
        spec.entrypoint = ["/bin/sh", "-c", "run"]
        spec.environment = ["B": "2=3", "A": ""]
        spec.networkMode = "net"
        spec.publishedPorts = [.init(containerPort: 8000, hostAddress: "127.0.0.1")]
        spec.temporaryDirectories = ["/tmp": 1024]
        spec.memoryBytes = 1 << 20
        spec.cpuMillis = 500
        spec.pidsMax = 10
        spec.isRootReadOnly = true
        spec.allowsNewPrivileges = false
        spec.droppedCapabilities = ["ALL"]
        spec.usesInit = true
        let body = try JSONDecoder().decode(CreateBody.self, from: JSONEncoder().encode(spec.body))
        #expect(body.Env == ["A=", "B=2=3"])
        #expect(body.Entrypoint == ["/bin/sh", "-c", "run"])
        #expect(body.Cmd == nil)
        #expect(body.HostConfig.Memory == body.HostConfig.MemorySwap)
        #expect(body.HostConfig.NanoCpus == 500_000_000)
        #expect(body.HostConfig.SecurityOpt == ["no-new-privileges"])
        #expect(body.HostConfig.CapDrop == ["ALL"])
        #expect(body.HostConfig.ReadonlyRootfs)
        #expect(body.HostConfig.RestartPolicy == ["Name": "no"])
        #expect(body.HostConfig.PortBindings == ["8000/tcp": [["HostIp": "127.0.0.1", "HostPort": ""]]])
        #expect(body.HostConfig.Tmpfs["/tmp"]?.hasSuffix("size=1024") == true)
    }

    @Test func runningContainerIsUnderstood() throws {
        let json = """
            {"Id":"c1","Name":"/slipway-ins_1","Image":"sha256:1","Created":"2026-01-31T10:00:00Z","Unknown":[1],
             "State":{"Status":"running","ExitCode":0,"OOMKilled":false,"Error":"",
               "StartedAt":"2026-01-31T10:00:01.5Z","FinishedAt":"0001-01-01T00:00:00Z"},
             "Config":{"Labels":{"slipway.instance":"ins_1"}},
             "NetworkSettings":{"Ports":{"8000/tcp":[{"HostIp":"127.0.0.1","HostPort":"49153"}],"9000/tcp":null}}}
            """
        let info = try JSONDecoder().decode(ContainerAnswer.self, from: Data(json.utf8)).container
        #expect(info.name == "slipway-ins_1")
        #expect(info.state == .running)
        #expect(info.startedAt?.rfc3339 == "2026-01-31T10:00:01.500000Z")
        #expect(info.finishedAt == nil)
        #expect(info.publishedPorts == [8000: .init(host: "127.0.0.1", port: 49153)])
    }

    @Test func containerOfWhichLittleIsKnownIsUnderstood() throws {
        let info = try JSONDecoder().decode(ContainerAnswer.self, from: Data(#"{"Id":"c1"}"#.utf8)).container
        #expect(info.state == .unknown)
        #expect(info.publishedPorts.isEmpty)
    }

    @Test func eventCarriesTheLabelsOfItsContainer() throws {
        let json = """
            {"Type":"container","Action":"die","Actor":{"ID":"c1","Attributes":{"exitCode":"1","slipway.instance":"i"}}}
            """
        let event = try #require(EngineEvent(Data(json.utf8)))
        #expect(event.action == "die")
        #expect(event.attributes["slipway.instance"] == "i")
        #expect(EngineEvent(Data("{}".utf8)) == nil)
    }

    @Test func referenceIsSplitIntoNameAndTag() {
        let expected: [(reference: String, name: String, tag: String)] = [
            ("python", "python", "latest"), ("python:3.11-slim", "python", "3.11-slim"),
            ("localhost:5000/a/b", "localhost:5000/a/b", "latest"), ("localhost:5000/a:1", "localhost:5000/a", "1"),
            ("python@sha256:ab", "python", "sha256:ab"),
        ]
        for (reference, name, tag) in expected {
            let split = EngineClient.nameAndTag(reference)
            #expect(split.name == name)
            #expect(split.tag == tag)
        }
    }

    @Test func queryValuesAreEncodedByteByByte() {
        #expect("a/b c&d=é\"".percentEncoded() == "a%2Fb%20c%26d%3D%C3%A9%22")
        #expect("slipway/app:1@sha256:a".percentEncoded(keeping: "/:@") == "slipway/app:1@sha256:a")
    }

    @Test func jsonInQueriesEscapesWhatJSONRequires() throws {
        let values = ["quote\"": "back\\slash", "line": "a\nb\u{1}"]
        let decoded = try JSONDecoder().decode([String: String].self, from: Data(Filters.object(values).utf8))
        #expect(decoded == values)
    }

    @Test func logPositionIsSentAsSecondsWithNineDigits() {
        #expect(EngineClient.unixTime(Timestamp(microseconds: 1_700_000_000_000_012)) == "1700000000.000012000")
    }

    @Test func errorsAreToldApartByStatus() {
        #expect(EngineError(status: 404, message: "").code == .notFound)
        #expect(EngineError(status: 409, message: "").code == .conflict)
        #expect(EngineError(status: 400, message: "").code == .refused)
        #expect(EngineError(status: 500, message: "write: no space left on device").isDiskFull)
        #expect(EngineError(status: 500, message: "Bind for 0.0.0.0:80 failed: port is already allocated").isPortTaken)
    }
}
