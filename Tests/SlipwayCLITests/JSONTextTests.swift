// SPDX-License-Identifier: Apache-2.0
import Domain
import Testing

@testable import SlipwayCLI

struct JSONTextTests {
    @Test func layoutChangesAndNothingElse() {
        let text = #"{"b":1.50,"a":[1,2,{}],"e":[ ],"s":"x\",{\\","n":null}"#
        #expect(
            JSONText.pretty(Array(text.utf8)) == #"""
                {
                  "b": 1.50,
                  "a": [
                    1,
                    2,
                    {}
                  ],
                  "e": [],
                  "s": "x\",{\\",
                  "n": null
                }
                """#)
    }

    @Test func prettyTextIsLeftAsItIs() {
        let once = JSONText.pretty(Array(#"[{"a":[]}]"#.utf8))
        #expect(JSONText.pretty(Array(once.utf8)) == once)
    }

    @Test func arraysBecomeOne() {
        let joined = JSONText.joined(arrays: ["[1, 2]", " [ ]\n", "[{\"a\":3}]"].map { Array($0.utf8) })
        #expect(String(decoding: joined, as: UTF8.self) == #"[1, 2,{"a":3}]"#)
        #expect(JSONText.joined(arrays: []) == Array("[]".utf8))
    }
}

struct TimeTextTests {
    private let now = Timestamp(microseconds: 1_700_000_000_000_000)

    @Test(
        arguments: [
            (-5, "just now"), (9, "just now"), (59, "59 s ago"), (60, "1 min ago"), (7200, "2 h ago"),
            (86_400 * 3, "3 d ago"), (86_400 * 40, "2023-10-05"),
        ] as [(Int64, String)])
    func agesGetCoarserAsTheyGrow(seconds: Int64, expected: String) {
        let time = Timestamp(microseconds: now.microseconds - seconds * 1_000_000)
        #expect(TimeText.age(of: time, now: now) == expected)
    }

    @Test func lengthsHaveTenthsBelowAMinute() {
        #expect(TimeText.length(.milliseconds(450)) == "0.4 s")
        #expect(TimeText.length(.seconds(59)) == "59.0 s")
        #expect(TimeText.length(.seconds(185)) == "3 min 05 s")
    }
}
