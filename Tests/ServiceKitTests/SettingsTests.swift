// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import ServiceKit

struct SettingsTests {
    @Test func allProblemsAreReportedAtOnceAndSecretsAreNotShown() async throws {
        var settings = try Settings.load([
            "SLIPWAY_PORT": "70000", "SLIPWAY_KEY": "sentinel-secret", "SLIPWAY_FLAG": "yes",
            "SLIPWAY_LISTEN": "nowhere",
        ])
        _ = settings.int("port", in: 1...65_535)
        _ = settings.value("key", isSecret: true, expected: "32 bytes") { _ -> Int? in nil }
        _ = settings.bool("flag", default: false)
        _ = settings.address("listen")
        _ = settings.string("database.url", expected: "a postgres:// URL")
        let error = #expect(throws: SettingsError.self) { try settings.check() }
        let text = try #require(error?.description)
        for name in ["SLIPWAY_PORT", "SLIPWAY_KEY", "SLIPWAY_FLAG", "SLIPWAY_LISTEN", "SLIPWAY_DATABASE_URL"] {
            #expect(text.contains(name))
        }
        #expect(!text.contains("sentinel-secret"))
        #expect(!settings.effective.contains { $0.value.contains("sentinel-secret") })
    }

    @Test func theEnvironmentWinsOverTheFile() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "settings-\(UUID()).env")
        try Data("# comment\nSLIPWAY_DATABASE_URL=from-file?a=b\nSLIPWAY_NAME=file\n".utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        var settings = try Settings.load(["SLIPWAY_CONFIG": file.path, "SLIPWAY_NAME": "environment"])
        #expect(settings.string("database.url") == "from-file?a=b")
        #expect(settings.string("name") == "environment")
        try settings.check()
    }

    @Test func aSecretMayStandInAFileOfItsOwn() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "secret-\(UUID())")
        try Data("s3cret\n".utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        var settings = try Settings.load(["SLIPWAY_KEY_FILE": file.path])
        #expect(settings.string("key", isSecret: true) == "s3cret")
        #expect(settings.effective.first?.value == "<redacted>")
    }

    @Test func aSecretFileOfTheEnvironmentWinsOverAValueOfTheFile() throws {
        let folder = FileManager.default.temporaryDirectory
        let file = folder.appending(path: "settings-\(UUID()).env")
        let secret = folder.appending(path: "secret-\(UUID())")
        try Data("SLIPWAY_KEY=old\n".utf8).write(to: file)
        try Data("new\n".utf8).write(to: secret)
        defer { for url in [file, secret] { try? FileManager.default.removeItem(at: url) } }
        var settings = try Settings.load(["SLIPWAY_CONFIG": file.path, "SLIPWAY_KEY_FILE": secret.path])
        #expect(settings.string("key", isSecret: true) == "new")
    }

    @Test func whatIsWrongInTheFileIsToldByLineWithoutItsValue() {
        let text = """
            # comment
            SLIPWAY_A = 1

            database: sentinel-secret
            export SLIPWAY_B=sentinel-secret
            SLIPWAY_A=sentinel-secret
            OTHER=sentinel-secret
            SLIPWAY_C=a=b
            """
        let (variables, problems) = Settings.parse(text)
        #expect(variables["SLIPWAY_C"] == "a=b" && variables["SLIPWAY_A"] != nil && variables.count == 2)
        #expect(problems.map { String($0.prefix(6)) } == ["line 4", "line 5", "line 6", "line 7"])
        #expect(!problems.joined().contains("sentinel-secret"))
    }

    @Test(arguments: [("127.0.0.1:80", "127.0.0.1", 80), ("[::1]:0", "::1", 0), ("::1:8080", "::1", 8080)])
    func addressesAreHostAndPort(text: String, host: String, port: Int) {
        #expect(ListenAddress(text) == ListenAddress(host: host, port: port))
    }
}

struct StartMemoryTests {
    @Test func onlyTheCodeOfFilesIsGivenBack() {
        let maps = """
            55adc810a000-55adc9af2000 r-xp 00000000 fe:00 5318580                    /usr/bin/slipway
            55adc9af3000-55adc9ba1000 r--p 019e8000 fe:00 5318580                    /usr/bin/slipway
            55adc9ba1000-55adc9e6a000 rw-p 01a96000 fe:00 5318580                    /usr/bin/slipway
            7fd091941000-7fd091943000 r-xp 00000000 00:00 0                          [vdso]
            7fd091943000-7fd091944000 r-xp 00000000 00:00 0
            """
        let ranges = StartMemory.codeRanges(maps)
        #expect(ranges.map(\.start) == [0x55ad_c810_a000])
        #expect(ranges.map(\.count) == [0x19e_8000])
    }

    @Test func theProcessGoesOnWithoutWhatItGaveBack() throws {
        let maps = try String(contentsOfFile: "/proc/self/maps", encoding: .utf8)
        #expect(!StartMemory.codeRanges(maps).isEmpty)
        StartMemory.release()
        #expect((0..<100).map { String($0) }.joined().count == 190)
    }
}

struct PrometheusRegistryTests {
    @Test func valuesAreWrittenInTheTextFormat() {
        let registry = PrometheusRegistry()
        registry.makeCounter(label: "http.requests", dimensions: [("status", "200"), ("path", "a\"b")]).increment(by: 2)
        registry.makeTimer(label: "latency", dimensions: []).recordNanoseconds(3_000_000)
        registry.makeMeter(label: "open", dimensions: []).set(4.0)
        let text = registry.exposition()
        #expect(
            text.contains(
                "# TYPE http_requests_total counter\nhttp_requests_total{status=\"200\",path=\"a\\\"b\"} 2.0\n"))
        #expect(text.contains("latency_bucket{le=\"0.0025\"} 0\nlatency_bucket{le=\"0.005\"} 1\n"))
        #expect(text.contains("latency_count 1\n"))
        #expect(text.contains("# TYPE open gauge\nopen 4.0\n"))
    }

    @Test func seriesAreBounded() {
        let registry = PrometheusRegistry()
        for number in 0..<(PrometheusRegistry.seriesMax + 10) {
            registry.makeCounter(label: "c", dimensions: [("n", "\(number)")]).increment(by: 1)
        }
        #expect(registry.exposition().contains("slipway_metrics_dropped_series_total 10\n"))
    }
}
