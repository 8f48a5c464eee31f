// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Events

/// Against W3C Trace Context, Recommendation of 23 November 2021, section 3.2 (with its examples) and section 4.
struct TraceContextTests {
    private static let example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    @Test func theExamplesAreRead() throws {
        let sampled = try #require(TraceContext(traceparent: Self.example))
        #expect(sampled.traceID == "4bf92f3577b34da6a3ce929d0e0e4736")
        #expect(sampled.parentID == "00f067aa0ba902b7")
        #expect(sampled.isSampled)
        #expect(sampled.traceparent == Self.example)
        let notSampled = try #require(
            TraceContext(traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"))
        #expect(!notSampled.isSampled)
        #expect(notSampled.traceparent.hasSuffix("-00"))
    }

    @Test(arguments: [
        (
            "flags that this version does not know are dropped",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff"
        ),
        ("a later version", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        (
            "a later version that says more",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-is"
        ),
    ]) func handedOnInThisVersion(what: String, header: String) throws {
        let context = try #require(TraceContext(traceparent: header), "\(what)")
        #expect(context.traceparent == Self.example, "\(what)")
    }

    @Test(arguments: [
        ("empty", ""),
        ("version ff", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("more than version 00 has", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what"),
        ("a later version without hyphen", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.what"),
        ("trace id of zeros", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
        ("parent id of zeros", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"),
        ("upper case", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"),
        ("no hexadecimal digits", "00-4bf92f3577b34da6a3ce929d0e0e473z-00f067aa0ba902b7-01"),
        ("short trace id", "00-4bf92f3577b34da6a3ce929d0e0e47-00f067aa0ba902b7-01"),
        ("wrong separators", "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01"),
        ("without flags", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-"),
        ("blanks", " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("no version", "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-000"),
    ]) func invalid(what: String, header: String) {
        let context = TraceContext(traceparent: header)
        #expect(context == nil, "\(what)")
    }

    @Test func aChildIsOfTheSameTraceWithAParentOfItsOwn() throws {
        let parent = try #require(TraceContext(traceparent: Self.example))
        var generator = Fixed(value: 0x0102_0304_0506_0708)
        let child = parent.child(using: &generator)
        #expect(child.traceID == parent.traceID && child.isSampled == parent.isSampled)
        #expect(child.parentID != parent.parentID)
        #expect(TraceContext(traceparent: child.traceparent) == child)
        #expect(parent.child() != parent.child())
    }

    @Test(arguments: [UInt64.min, 1, .max]) func rootsAreValidWhateverTheRandomNumbers(value: UInt64) {
        var generator = Fixed(value: value)
        let root = TraceContext.root(using: &generator)
        #expect(root.isSampled)
        #expect(TraceContext(traceparent: root.traceparent) == root)
        #expect(TraceContext.root().traceID != TraceContext.root().traceID)
    }

    @Test func theCurrentTraceIsThatOfTheTask() async {
        let root = TraceContext.root()
        await TraceContext.$current.withValue(root) {
            #expect(TraceContext.current == root)
            await Task { #expect(TraceContext.current == root) }.value
        }
        let outside = TraceContext.current
        #expect(outside == nil)
    }

    private struct Fixed: RandomNumberGenerator {
        let value: UInt64
        func next() -> UInt64 { value }
    }
}
