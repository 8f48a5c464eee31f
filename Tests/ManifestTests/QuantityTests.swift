// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Manifest

@Suite struct QuantityTests {
    @Test(
        arguments: [
            ("250ms", 250), ("10s", 10_000), ("5m", 300_000), ("1h", 3_600_000), ("0s", 0), ("1.5s", nil), ("10", nil),
            ("s", nil), ("", nil), ("-1s", nil), ("+1s", nil), ("1 s", nil), ("1d", nil), ("9999999999s", nil),
        ] as [(String, Int?)])
    func durations(_ text: String, _ milliseconds: Int?) {
        #expect(Quantity.milliseconds(text) == milliseconds)
    }

    @Test(
        arguments: [
            ("64MB", 64 << 20), ("1GB", 1 << 30), ("512KB", 512 << 10), ("2GiB", 2 << 30), ("1gb", nil), ("64", nil),
            ("64B", nil), ("1TB", nil),
        ] as [(String, Int?)])
    func sizes(_ text: String, _ bytes: Int?) {
        #expect(Quantity.bytes(text) == bytes)
    }

    @Test(
        arguments: [
            ("1", 1_000), ("0.5", 500), ("0.05", 50), ("2.125", 2_125), ("0.0001", nil), (".5", nil), ("1.", nil),
            ("1.2.3", nil), ("", nil), ("a", nil),
        ] as [(String, Int?)])
    func cores(_ text: String, _ millis: Int?) {
        #expect(Quantity.cpuMillis(text) == millis)
    }

    @Test func aSlipFindsTheWordThatWasMeant() {
        #expect(NearestWord.to("instnaces", among: ["instances", "mounts"]) == "instances")
        #expect(NearestWord.to("Web", among: ["web", "build"]) == "web")
        #expect(NearestWord.to("volumes", among: ["web", "build"]) == nil)
        #expect(NearestWord.to(String(repeating: "a", count: 10_000), among: ["a"]) == nil)
    }
}
