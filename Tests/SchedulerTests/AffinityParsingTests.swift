// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Scheduler

struct AffinityParsingTests {
    @Test(arguments: [
        ("node==web-1", Affinity.Subject.node, false, false, "web-1"),
        ("node!=web-1", .node, true, false, "web-1"),
        ("zone==~eu-1a", .zone, false, true, "eu-1a"),
        ("zone!=~eu-1a", .zone, true, true, "eu-1a"),
        ("label==disk=ssd", .label("disk"), false, false, "ssd"),
        ("label==disk", .label("disk"), false, false, "any"),
        ("label!=example.com/tier=/^gold|silver$/", .label("example.com/tier"), true, false, "/^gold|silver$/"),
        ("service!=~/^worker-/", .service, true, true, "/^worker-/"),
        ("node==/a\\/b/", .node, false, false, "/a\\/b/"),
    ])
    func aRuleIsReadInParts(
        _ text: String, _ subject: Affinity.Subject, _ isNegated: Bool, _ isSoft: Bool, _ pattern: String
    ) throws {
        let affinity = try Affinity(text)
        #expect(affinity.subject == subject)
        #expect(affinity.isNegated == isNegated)
        #expect(affinity.isSoft == isSoft)
        #expect("\(affinity.pattern)" == pattern)
        #expect("\(affinity)" == text)
    }

    @Test(arguments: [
        ("", "column 1: a rule begins with node, zone, label or service, as in zone==a"),
        ("==a", "column 1: a rule begins with node, zone, label or service, as in zone==a"),
        ("host==a", "column 1: `host` is none of node, zone, label and service"),
        ("zone", "column 5: expected == or !=, with ~ behind it for a wish instead of a demand"),
        ("zone=a", "column 5: expected == or !=, with ~ behind it for a wish instead of a demand"),
        ("zone~=a", "column 5: expected == or !=, with ~ behind it for a wish instead of a demand"),
        ("zone==", "column 7: expected a name, or an expression as in /^web-/"),
        ("zone==a b", "column 8: a rule has no blanks"),
        ("zone== a", "column 7: a rule has no blanks"),
        ("node==web*", "column 10: `*` cannot be in a name; an expression stands in slashes, as in /^web-/"),
        ("node==wéb", "column 8: `é` cannot be in a name; an expression stands in slashes, as in /^web-/"),
        ("label==", "column 8: expected the name of a label, as in label==disk=ssd"),
        ("label===ssd", "column 8: expected the name of a label, as in label==disk=ssd"),
        ("label==disk=", "column 13: expected a name, or an expression as in /^web-/"),
        ("node==/web", "column 11: expected the / that ends the expression begun in column 7"),
        ("node==/", "column 8: expected the / that ends the expression begun in column 7"),
        ("node==/web\\/", "column 13: expected the / that ends the expression begun in column 7"),
        ("node==//", "column 8: an expression cannot be empty"),
        ("node==/w(eb/", "column 9: `(` is not closed"),
        ("node==/we{2}/", "column 10: `{` is not known: repeat what is meant, or write \\{"),
    ])
    func aMistakeIsNamedWithItsColumnAndWhatToWrite(_ text: String, _ message: String) {
        #expect(throws: SchedulerError(.invalidAffinity, "affinity `\(text)`, \(message)")) { try Affinity(text) }
    }

    @Test func aRuleBeyondTheLimitIsRefused() {
        let text = "node==" + String(repeating: "a", count: SchedulerLimits.affinityLengthMax)
        #expect(
            throws: SchedulerError(
                .invalidAffinity, "affinity `node==aaaaaaaaaaaaaa…` has 262 bytes: at most 256 are possible")
        ) { try Affinity(text) }
    }

    @Test(arguments: [
        (["zone==a", "zone==b"], "zone==a", "zone==b"),
        (["zone==a", "zone!=a"], "zone==a", "zone!=a"),
        (["zone!=a", "node==x", "zone==a"], "zone==a", "zone!=a"),
        (["zone==a", "zone!=/^[ab]$/"], "zone==a", "zone!=/^[ab]$/"),
        (["zone==/b/", "zone==a"], "zone==a", "zone==/b/"),
        (["zone==/b/", "zone!=/b/"], "zone==/b/", "zone!=/b/"),
        (["label==disk=ssd", "label==disk=hdd"], "label==disk=ssd", "label==disk=hdd"),
        (["label==disk", "label!=disk"], "label==disk", "label!=disk"),
        (["label==disk=ssd", "label!=disk"], "label==disk=ssd", "label!=disk"),
        (["service==db", "service!=/^d/"], "service==db", "service!=/^d/"),
    ])
    func rulesThatCannotBothHoldAreRefused(_ rules: [String], _ first: String, _ second: String) {
        #expect(
            throws: SchedulerError(
                .contradictoryAffinities, "no host can ever meet both \(first) and \(second): remove one of them")
        ) { try Workload.made(affinities: rules) }
    }

    @Test(arguments: [
        ["service==db", "service==cache"], ["service==db", "service!=web"], ["zone!=a", "zone!=b"],
        ["zone==a", "zone==/[ab]/"], ["zone==a", "zone!=~a"], ["zone==~a", "zone==~b"], ["zone==a", "zone==a"],
        ["label==disk=ssd", "label!=disk=hdd"], ["label==disk=ssd", "label==tier=gold"],
        ["label==disk", "label!=tier"],
        ["node==a", "zone!=a"],
    ])
    func rulesThatCanHoldTogetherAreTaken(_ rules: [String]) throws {
        #expect(try Workload.made(affinities: rules).affinities.map(\.text) == rules)
    }
}
