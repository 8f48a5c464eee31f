// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Domain

struct TimestampTests {
    @Test(arguments: [
        "1970-01-01T00:00:00.000000Z", "2000-02-29T23:59:59.999999Z", "2026-11-21T10:00:00.123456Z",
        "1969-12-31T23:59:59.000001Z", "2100-03-01T00:00:00.000000Z",
    ])
    func survivesTextBothWays(text: String) throws {
        let time = try #require(Timestamp(rfc3339: text))
        #expect(time.rfc3339 == text)
    }

    @Test func readsWhatPostgresWrites() {
        #expect(Timestamp(rfc3339: "2026-01-02 03:04:05.5+00")?.rfc3339 == "2026-01-02T03:04:05.500000Z")
        #expect(Timestamp(rfc3339: "2026-01-02 03:04:05+02:30")?.rfc3339 == "2026-01-02T00:34:05.000000Z")
    }

    @Test(arguments: ["", "2026", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00", "x"])
    func refusesOtherText(text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }

    @Test func everyDayOfFourCenturiesSurvives() {
        for day in stride(from: Int64(-73_000), to: 146_097, by: 1) {
            let time = Timestamp(microseconds: day * 86_400_000_000 + 1)
            #expect(Timestamp(rfc3339: time.rfc3339) == time)
        }
    }
}

struct IdentifierTests {
    @Test func identifiersSortByTheTimeOfTheirMaking() {
        var generator = SystemRandomNumberGenerator()
        let earlier = EventID.generate(at: Timestamp(microseconds: 1_000_000), using: &generator)
        let later = EventID.generate(at: Timestamp(microseconds: 2_000_000), using: &generator)
        #expect(earlier < later)
        #expect(earlier.rawValue.hasPrefix("evt_"))
        #expect(earlier.rawValue.count == 30)
    }

    @Test(arguments: [
        ("guestbook", true), ("a", true), ("a-b-1", true), ("A", false), ("", false), ("-a", false), ("a-", false),
        ("1a", false), ("a--b", false), ("ä", false), (String(repeating: "a", count: 41), false),
    ])
    func slugsAreDNSLabels(text: String, isValid: Bool) {
        #expect(Slug.isValid(text) == isValid)
    }
}
