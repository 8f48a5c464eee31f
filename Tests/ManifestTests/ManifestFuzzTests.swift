// SPDX-License-Identifier: Apache-2.0
import Domain
import Manifest
import Testing

/// SplitMix64: small, and the same on every machine.
private struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

@Suite struct ManifestFuzzTests {
    private static let fragments: [String] = [
        "&a ", "*a", "!!int ", "? ", "- ", ": ", "{", "}", "[", "]", "\"", "'", "|", ">", "%", "@", "#", "\t", "\r",
        "\n", "\0", "---\n", "...\n", "<<: ", "~", "null", "99999999999999999999", "-1", "1e9", "0x10", "\u{fffd}",
        "\u{1f680}", "\u{2028}", "../..", "9223372036854775808ms", "999999999h", "999999999GB", "64.0001", "\\x00",
    ]

    @Test(arguments: [1, 7, 42, 1_234, 987_654] as [UInt64])
    func mutatedManifestsAreReadOrRefusedButNeverTrap(_ seed: UInt64) {
        var random = SeededGenerator(state: seed)
        let original = Array(fullManifest.utf8)
        for round in 0..<400 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...8, using: &random) { Self.mutate(&bytes, &random) }
            do throws(ManifestErrors) {
                let spec = try Manifest.parse(bytes)
                #expect((1...Limits.instancesMax).contains(spec.run.instances), "seed \(seed), round \(round)")
                #expect((1...65_535).contains(spec.run.web.port), "seed \(seed), round \(round)")
            } catch {
                #expect(!error.problems.isEmpty, "seed \(seed), round \(round)")
            }
        }
    }

    private static func mutate(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        let position = Int.random(in: 0...bytes.count, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0:
            if position < bytes.count { bytes[position] = UInt8.random(in: 0...255, using: &random) }
        case 1:
            let end = min(bytes.count, position + Int.random(in: 1...20, using: &random))
            bytes.removeSubrange(position..<end)
        case 2:
            let end = min(bytes.count, position + Int.random(in: 1...40, using: &random))
            let slice = Array(bytes[position..<end])
            bytes.insert(contentsOf: slice, at: Int.random(in: 0...bytes.count, using: &random))
        default:
            let fragment = fragments.randomElement(using: &random) ?? ""
            bytes.insert(contentsOf: Array(fragment.utf8), at: position)
        }
    }
}
