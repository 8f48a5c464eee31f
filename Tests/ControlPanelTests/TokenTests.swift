// SPDX-License-Identifier: Apache-2.0
import Domain
import Testing

@testable import ControlPanel

@Suite struct TokenTests {
    @Test func newTokensDifferAndAreReadBack() throws {
        let (first, second) = (TokenSecret.generate(), TokenSecret.generate())
        #expect(first.text != second.text)
        #expect(first.text.hasPrefix("slp_"))
        let read = try #require(TokenSecret(first.text))
        #expect(read.hash == first.hash)
        #expect(first.hash.count == 32)
    }

    @Test(arguments: ["", "slp_", "slp_short", "slc_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"])
    func otherTextsAreNoTokens(text: String) {
        #expect(TokenSecret(text) == nil)
    }

    @Test func aTokenDoesNotShowItself() {
        let token = TokenSecret.generate()
        var dumped = ""
        dump(token, to: &dumped)
        #expect(!"\(token)\(dumped)".contains(token.text))
    }

    @Test func bearerAndBasicCarryTheSameToken() {
        #expect(Credentials(authorization: "Bearer slp_x")?.token == "slp_x")
        #expect(Credentials(authorization: "bearer  slp_x")?.token == "slp_x")
        // "any:slp_x"
        #expect(Credentials(authorization: "Basic YW55OnNscF94")?.token == "slp_x")
    }

    @Test(arguments: ["", "Bearer", "Bearer ", "Digest x", "Basic !!!", "Basic bm9jb2xvbg=="])
    func otherAuthorizationsAreRefused(header: String) {
        #expect(Credentials(authorization: header) == nil)
    }
}

@Suite struct CloneTokenTests {
    private let now = Timestamp(microseconds: 1_000_000)
    private let tokens = CloneTokens(secret: "0123456789abcdef0123456789abcdef")
    private let app = AppID("app_1")

    @Test func aTokenOpensItsRepositoryForAWhile() {
        let token = tokens.issue(for: app, now: now)
        #expect(tokens.isValid(token, for: app, now: now))
        #expect(tokens.isValid(token, for: app, now: now.advanced(by: .seconds(3599))))
        #expect(!tokens.isValid(token, for: app, now: now.advanced(by: PanelLimits.cloneTokenLife)))
    }

    @Test func aTokenOpensNoOtherRepository() {
        #expect(!tokens.isValid(tokens.issue(for: app, now: now), for: AppID("app_2"), now: now))
    }

    @Test func aTokenOfAnotherKeyOrAChangedOneIsWorthNothing() {
        let other = CloneTokens(secret: "another key, also of thirty-two characters")
        #expect(!tokens.isValid(other.issue(for: app, now: now), for: app, now: now))
        let token = tokens.issue(for: app, now: now)
        #expect(!tokens.isValid(String(token.dropLast(2)) + "AA", for: app, now: now))
        #expect(!tokens.isValid("slc_x.y", for: app, now: now))
        #expect(!tokens.isValid("slc_", for: app, now: now))
    }
}
