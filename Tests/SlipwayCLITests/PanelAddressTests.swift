// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import SlipwayCLI

struct PanelAddressTests {
    @Test(
        arguments: [
            ("https://Panel.Example.com/", "https://panel.example.com"),
            ("HTTP://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("https://panel.example.com:443", "https://panel.example.com"),
            ("http://panel:443", "http://panel:443"),
            ("https://example.com/slipway//", "https://example.com/slipway"),
            ("http://[::1]:8080/", "http://[::1]:8080"),
        ])
    func anAddressHasOneNormalForm(text: String, expected: String) {
        #expect(PanelAddress(text)?.description == expected)
    }

    @Test(
        arguments: [
            "", "panel.example.com", "ftp://panel", "https://", "https://user:word@panel", "http://panel:0",
            "http://panel:65536", "http://panel:", "http://panel:80:80", "http://pa nel", "http://panel/?a=1",
            "http://panel#x", "http://[::1", "http://panel:+80", "http://pan\nel", "http://panel/a b",
        ])
    func whatIsNoAddressIsRefused(text: String) {
        #expect(PanelAddress(text) == nil)
    }

    @Test func aPathIsNotPartOfTheOrigin() {
        #expect(PanelAddress("https://example.com:8443/slipway")?.origin == "https://example.com:8443")
    }

    @Test func onlyThisMachineIsLoopback() {
        #expect(PanelAddress("http://localhost:1")?.isLoopback == true)
        #expect(PanelAddress("http://127.0.0.9")?.isLoopback == true)
        #expect(PanelAddress("http://[::1]")?.isLoopback == true)
        #expect(PanelAddress("http://localhost.example.com")?.isLoopback == false)
    }

    @Test func pathsAndQueriesArePercentEncoded() {
        #expect(RequestPath("v1", "a/b c", "ü").description == "/v1/a%2Fb%20c/%C3%BC")
        #expect(QueryItem.text([QueryItem("a", "1&2"), QueryItem("b", "~")]) == "?a=1%262&b=~")
        #expect(QueryItem.text([]).isEmpty)
    }
}
