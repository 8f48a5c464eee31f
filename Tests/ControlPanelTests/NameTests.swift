// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ControlPanel

@Suite struct HostnameTests {
    @Test func theMainEnvironmentHasTheShortName() {
        #expect(
            Hostname.candidate(
                app: "shop", organisation: "acme", environment: "main", domain: "apps.test", attempt: 1)
                == "shop-acme.apps.test")
        #expect(
            Hostname.candidate(
                app: "shop", organisation: "acme", environment: "staging", domain: "apps.test", attempt: 1)
                == "staging-shop-acme.apps.test")
    }

    @Test func aTakenNameGetsANumber() {
        #expect(
            Hostname.candidate(
                app: "shop", organisation: "acme", environment: "main", domain: "apps.test", attempt: 3)
                == "shop-acme-3.apps.test")
    }

    @Test(arguments: [1, 2, 50])
    func longNamesStayWithinADNSLabelAndDiffer(attempt: Int) throws {
        let long = String(repeating: "a", count: 40)
        let first = Hostname.candidate(
            app: long, organisation: long, environment: "main", domain: "apps.test", attempt: attempt)
        let second = Hostname.candidate(
            app: long, organisation: long, environment: "other", domain: "apps.test", attempt: attempt)
        for name in [first, second] {
            let label = try #require(name.split(separator: ".").first)
            #expect(label.utf8.count <= 63)
            #expect(!label.hasSuffix("-") && !label.contains("--"))
        }
        #expect(first != second)
    }

    @Test func domainsAreCheckedWhenSettingsAreRead() {
        #expect(Hostname.isDomain("apps.example.org"))
        #expect(Hostname.isDomain("localhost"))
        for wrong in ["", ".", "apps..org", "-a.org", "Apps.org", "a b.org", String(repeating: "a", count: 64)] {
            #expect(!Hostname.isDomain(wrong), "\(wrong)")
        }
    }
}

@Suite struct ReferenceNameTests {
    @Test(arguments: ["main", "feature/x", "release-1.2", "jürgen", "a@b"])
    func branchesOfGitArePossible(name: String) {
        #expect(ReferenceName.isBranch(name))
    }

    @Test(arguments: [
        "", "-x", "a..b", "a b", "a~b", "a^b", "a:b", "a?b", "a*b", "a[b", "a\\b", "/a", "a/", "a//b", "a.lock", ".a",
        "a/.b", "@", "HEAD", "a@{b", "a\u{7f}", "a\nb", "a.",
    ])
    func whatGitRefusesIsRefused(name: String) {
        #expect(!ReferenceName.isBranch(name))
    }

    @Test func commitsAreHexadecimal() {
        #expect(ReferenceName.isCommit("4c1d9e2"))
        #expect(ReferenceName.isCommit(String(repeating: "a", count: 64)))
        for wrong in ["4c1d9e", "main", "--upload", String(repeating: "a", count: 65), "4c1d9e2^"] {
            #expect(!ReferenceName.isCommit(wrong), "\(wrong)")
        }
    }
}

@Suite struct VariableRulesTests {
    @Test func namesAreThoseOfTheEnvironment() {
        #expect(VariableRules.problem(withName: "DATABASE_URL") == nil)
        #expect(VariableRules.problem(withName: "_x9") == nil)
        for wrong in ["", "9A", "A-B", "A B", "Ä", "A=B", "PORT", "SLIPWAY_X", String(repeating: "A", count: 129)] {
            #expect(VariableRules.problem(withName: wrong) != nil, "\(wrong)")
        }
    }

    @Test func valuesHoldNoNULAndAreBounded() {
        #expect(VariableRules.problem(withValue: "") == nil)
        #expect(VariableRules.problem(withValue: "a\nb é") == nil)
        #expect(VariableRules.problem(withValue: "a\0b") != nil)
        #expect(VariableRules.problem(withValue: String(repeating: "é", count: 16_385)) != nil)
    }

    @Test func aChangeNamesEveryWrongField() throws {
        let text = #"""
            {"set": {"GOOD": {"value": "x"}, "9BAD": {"value": "x"}, "NUL": {"value": "a\u0000b"},
                "ODD": {"value": "x", "secret": true}, "NONE": {}, "TEXT": "x"}, "unset": ["A", 1]}
            """#
        var fields = try JSONFields(body: Array(text.utf8))
        _ = VariableChange.read(&fields)
        #expect(
            Set(fields.problems.map(\.field)) == [
                "set.9BAD", "set.NUL.value", "set.ODD.secret", "set.NONE.value", "set.TEXT", "unset.1",
            ])
    }

    @Test func setAndUnsetOfOneNameContradict() throws {
        var fields = try JSONFields(body: Array(#"{"set": {"A": {"value": "x"}}, "unset": ["A"]}"#.utf8))
        _ = VariableChange.read(&fields)
        #expect(fields.problems.map(\.field) == ["unset"])
    }
}
