// SPDX-License-Identifier: Apache-2.0
import Domain
import EngineClient
import Events
import Testing

@testable import RunnerAgent

@Suite struct ContainerRecipeTests {
    let recipe = ContainerRecipe(
        ownership: Ownership(cloudspace: "local", host: Sample.host), address: "127.0.0.1")

    @Test func applicationsGetNoMoreThanTheyNeed() {
        let spec = recipe.spec(for: Sample.web(), secrets: [:], usesInit: true)
        #expect(spec.isRootReadOnly)
        #expect(!spec.allowsNewPrivileges)
        #expect(spec.droppedCapabilities == ["ALL"])
        #expect(spec.memoryBytes == 256 << 20)
        #expect(spec.cpuMillis == 500)
        #expect(spec.pidsMax == 100)
        #expect(spec.networkMode == "slipway-env_1")
        #expect(spec.binds.isEmpty)
        #expect(spec.usesInit)
    }

    @Test func webInstanceIsPublishedOnTheHostsAddressOnAPortOfTheEnginesChoice() {
        let spec = recipe.spec(for: Sample.web(), secrets: [:], usesInit: false)
        #expect(spec.publishedPorts == [.init(containerPort: 8000, hostAddress: "127.0.0.1", hostPort: 0)])
        #expect(spec.entrypoint == ["serve"])
        #expect(spec.stopGraceSeconds == 7)
    }

    @Test func releaseHookIsNotPublished() {
        let spec = recipe.spec(for: Sample.release(), secrets: [:], usesInit: false)
        #expect(spec.publishedPorts.isEmpty)
        #expect(spec.entrypoint == ["migrate"])
        #expect(spec.labels[Labels.role] == "release")
    }

    @Test func secretsWinOverPlainValuesAndThePlatformOverBoth() {
        let secrets = ["GREETING": "secret", "SLIPWAY_APP": "forged"]
        let environment = recipe.spec(for: Sample.web(), secrets: secrets, usesInit: false).environment
        #expect(environment["GREETING"] == "secret")
        #expect(environment["PORT"] == "8000")
        #expect(environment["SLIPWAY_APP"] == "acme/shop")
        #expect(environment["SLIPWAY_INSTANCE"] == "ins_1")
    }

    @Test func temporaryDirectoryIsThereUnlessTheManifestMountsItsOwn() {
        var desired = Sample.web()
        #expect(
            recipe.spec(for: desired, secrets: [:], usesInit: false).temporaryDirectories
                == ["/tmp": RunnerLimits.temporaryBytes, "/data": 1 << 20])
        desired.mounts = ["/tmp": MountSpec(sizeBytes: 5)]
        #expect(recipe.spec(for: desired, secrets: [:], usesInit: false).temporaryDirectories == ["/tmp": 5])
    }

    @Test func containerIsFoundAgainByItsLabels() {
        let ownership = Ownership(cloudspace: "local", host: Sample.host)
        let labels = ownership.labels(for: Sample.web())
        #expect(ownership.owns(labels))
        #expect(labels[Labels.instance] == "ins_1")
        #expect(!Ownership(cloudspace: "other", host: Sample.host).owns(labels))
        #expect(!Ownership(cloudspace: "local", host: HostID("hst_2")).owns(labels))
        #expect(!ownership.owns([:]))
    }

    @Test func portOfAContainerIsTakenFromTheInstancesOwn() {
        let info = ContainerInfo(
            id: "c1", name: "n", image: "i", labels: [:], state: .running, startedAt: Sample.start,
            publishedPorts: [8000: Sample.address])
        #expect(ContainerView(info, port: 8000).address == Sample.address)
        #expect(ContainerView(info, port: nil).address == nil)
    }
}
