// SPDX-License-Identifier: Apache-2.0
import Domain
import Manifest
import Testing

func parsed(_ yaml: String) throws -> AppSpec {
    try Manifest.parse(Array(yaml.utf8))
}

/// What is wrong with the manifest, one line each; empty when nothing is.
func problems(_ yaml: String) -> [String] {
    do {
        _ = try parsed(yaml)
        return []
    } catch let errors as ManifestErrors {
        return errors.problems.map(\.description)
    } catch {
        return ["not a ManifestErrors: \(error)"]
    }
}

let fullManifest = """
    build:
      runtime: python:3.11
      hook: ./build.sh
    web:
      command: gunicorn app:app --bind 0.0.0.0:$PORT
      port: 8001
      stop_grace: 15s
      health: { path: /healthz, interval: 500ms, timeout: 2s, deadline: 2m }
    release: { command: flask init-db, timeout: 10m }
    services:
      db: postgresql:15
      spare: postgresql:15.4
    relationships:
      DATABASE_URL: db
    instances: 2
    environment:
      GREETING: hello
      DEBUG: true
      EMPTY: ""
    mounts: { /tmp: 64MB, /var/cache/app: 1GB }
    resources: { memory: 256MB, cpu: 0.5, pids: 200 }
    """

@Suite struct ManifestReadingTests {
    @Test func aFullManifestIsReadWithAllItsValues() throws {
        let spec = try parsed(fullManifest)
        #expect(spec.build == BuildSpec(source: .runtime(language: "python", version: "3.11"), hook: "./build.sh"))
        let run = spec.run
        #expect(run.web.command == ["/bin/sh", "-c", "gunicorn app:app --bind 0.0.0.0:$PORT"])
        #expect(run.web.port == 8_001)
        #expect(run.web.stopGraceSeconds == 15)
        #expect(
            run.web.health
                == HealthCheck(
                    path: "/healthz", intervalMilliseconds: 500, timeoutMilliseconds: 2_000,
                    deadlineMilliseconds: 120_000))
        #expect(run.release == HookSpec(command: ["/bin/sh", "-c", "flask init-db"], timeoutSeconds: 600))
        #expect(run.services["db"] == ServiceSpec(kind: .postgresql, version: "15"))
        #expect(run.services["spare"] == ServiceSpec(kind: .postgresql, version: "15.4"))
        #expect(run.relationships == ["DATABASE_URL": "db"])
        #expect(run.instances == 2)
        #expect(run.environment == ["GREETING": "hello", "DEBUG": "true", "EMPTY": ""])
        #expect(
            run.mounts == ["/tmp": MountSpec(sizeBytes: 64 << 20), "/var/cache/app": MountSpec(sizeBytes: 1 << 30)])
        #expect(run.resources == ResourceSpec(memoryBytes: 256 << 20, cpuMillis: 500, pidsMax: 200))
    }

    @Test func whatIsLeftOutHasItsDefault() throws {
        let spec = try parsed("build: { dockerfile: ./docker/web.Dockerfile }\nweb: {}\n")
        #expect(spec.build == BuildSpec(source: .dockerfile("docker/web.Dockerfile")))
        #expect(spec.run == RunSpec(web: WebSpec(command: nil, port: 8_000)))
    }

    @Test func aListIsACommandWithoutAShell() throws {
        let spec = try parsed(
            "build: { runtime: node:20 }\nweb: { command: [node, server.js, \"\"] }\nrelease: [node, migrate.js]\n")
        #expect(spec.run.web.command == ["node", "server.js", ""])
        #expect(spec.run.release == HookSpec(command: ["node", "migrate.js"]))
    }

    @Test func aHealthCheckMayBeAPathAlone() throws {
        let spec = try parsed("build: { runtime: node:20.1 }\nweb: { command: ./run, health: /up }\n")
        #expect(spec.run.web.health == HealthCheck(path: "/up"))
    }

    @Test func numbersKeepTheFormTheyAreWrittenIn() throws {
        let spec = try parsed(
            "build: { runtime: python:3.10 }\nweb: { command: x }\nenvironment: { A: 010, B: 1.50 }\n")
        #expect(spec.build.source == .runtime(language: "python", version: "3.10"))
        #expect(spec.run.environment == ["A": "010", "B": "1.50"])
    }

    @Test func aByteOrderMarkAndWindowsLineEndsAreRead() throws {
        let text = "\u{feff}build: { runtime: node:20 }\r\nweb:\r\n  command: ./run\r\n"
        #expect(try parsed(text).run.web.command == ["/bin/sh", "-c", "./run"])
    }

    @Test func asterisksInsideTextsAreNoAliases() throws {
        let spec = try parsed("build: { runtime: node:20 }\nweb: { command: \"lint *.js && echo 2*3\" }\n")
        #expect(spec.run.web.command?.last == "lint *.js && echo 2*3")
    }
}
