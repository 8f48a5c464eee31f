// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Events

struct CompatibilityTests {
    private static let old = released(
        .object([
            .required("id", .string, ""), .optional("note", .string, ""),
            .required("lines", .array(.object([.required("at", .time, "")])), ""),
            .required("counts", .map(.count), ""),
            .required("stage", .open(["a", "b"]), ""), .required("kind", .closed(["x", "y"]), ""),
            .required("phase", .oneOf([.optional("up", .object([]), ""), .optional("down", .object([]), "")]), ""),
        ]))

    private static func released(_ schema: Schema, _ change: (inout ReleasedType) -> Void = { _ in }) -> ReleasedType {
        var released = ReleasedType(Catalogue.all[0])
        released.type = "thing.v1"
        released.topic = "things"
        released.kind = "event"
        released.partitions = 4
        released.retentionSeconds = 86_400
        released.key = "{id}"
        released.schema = schema.json(isDescribed: false)
        change(&released)
        return released
    }

    /// The old type with one property replaced (`nil`: removed) or added.
    private static func with(_ name: String, _ schema: Schema?, isRequired: Bool = true) -> ReleasedType {
        var new = old
        guard case .object(var root) = old.schema, case .object(var properties)? = root["properties"],
            case .array(var required)? = root["required"]
        else { return old }
        properties[name] = schema?.json(isDescribed: false)
        required.removeAll { $0 == .string(name) }
        if schema != nil && isRequired { required.append(.string(name)) }
        root["properties"] = .object(properties)
        root["required"] = .array(required)
        new.schema = .object(root)
        return new
    }

    private static func changed(_ change: (inout ReleasedType) -> Void) -> ReleasedType {
        var new = old
        change(&new)
        return new
    }

    private func breaks(_ new: ReleasedType) -> [String] {
        Compatibility.breaks(released: [Self.old], current: [new]).map(\.description)
    }

    @Test func theSameTypeIsCompatible() {
        #expect(breaks(Self.old).isEmpty)
    }

    @Test(arguments: [
        ("a new required property", with("more", .string)),
        ("a new optional property", with("more", .string, isRequired: false)),
        ("an optional property that became required", with("note", .string)),
        ("a new value of an open set", with("stage", .open(["a", "b", "c"]))),
        ("an open set that was closed", with("stage", .closed(["a", "b"]))),
        (
            "a new property in a list",
            with("lines", .array(.object([.required("at", .time, ""), .required("x", .string, "")])))
        ),
        ("longer retention", changed { $0.retentionSeconds = 172_800 }),
    ]) func allowed(what: String, new: ReleasedType) {
        #expect(breaks(new).isEmpty, "\(what)")
    }

    @Test(arguments: [
        (with("note", nil), "thing.v1 $.note: the property was removed"),
        (with("id", nil), "thing.v1 $.id: the property was removed"),
        (with("id", .string, isRequired: false), "thing.v1 $.id: the property was required and became optional"),
        (with("note", .boolean, isRequired: false), "thing.v1 $.note: type changed from string to boolean"),
        (with("note", .time, isRequired: false), "thing.v1 $.note: format changed from none to date-time"),
        (
            with("note", .id(prefix: "x"), isRequired: false),
            "thing.v1 $.note: pattern changed from none to ^x_[0-9a-z]+$"
        ),
        (with("lines", .array(.object([]))), "thing.v1 $.lines[].at: the property was removed"),
        (
            with("lines", .array(.object([.required("at", .string, "")]))),
            "thing.v1 $.lines[].at: format changed from date-time to none"
        ),
        (with("counts", .map(.integer())), "thing.v1 $.counts.*: minimum changed from 0 to none"),
        (with("counts", .object([])), "thing.v1 $.counts.*: the kind of object or list changed"),
        (with("stage", .open(["a"])), "thing.v1 $.stage: the value b was removed"),
        (with("kind", .closed(["x"])), "thing.v1 $.kind: the value y was removed"),
        (
            with("kind", .closed(["x", "y", "z"])),
            "thing.v1 $.kind: the value z was added to a closed set; only an open one may grow"
        ),
        (with("kind", .open(["x", "y"])), "thing.v1 $.kind: the closed set of values was opened"),
        (with("phase", .oneOf([.optional("up", .object([]), "")])), "thing.v1 $.phase.down: the property was removed"),
        (
            with("phase", .oneOf(["up", "down", "sideways"].map { .optional($0, .object([]), "") })),
            "thing.v1 $.phase.sideways: the choice was added; readers know the others only"
        ),
        (changed { $0.topic = "others" }, "thing.v1 topic: changed from things to others"),
        (changed { $0.kind = "state" }, "thing.v1 kind: changed from event to state"),
        (changed { $0.key = "{note}" }, "thing.v1 key: changed from {id} to {note}"),
        (changed { $0.partitionKey = "{note}" }, "thing.v1 partitionKey: changed from {id} to {note}"),
        (changed { $0.partitions = 2 }, "thing.v1 partitions: changed from 4 to 2"),
        (changed { $0.partitions = 8 }, "thing.v1 partitions: changed from 4 to 8"),
        (changed { $0.retentionSeconds = 3600 }, "thing.v1 retentionSeconds: reduced from 86400 to 3600"),
        (changed { $0.audience = "internal" }, "thing.v1 audience: changed from public to internal"),
        (changed { $0.type = "thing.v2" }, "thing.v1 type: is no longer in the catalogue"),
    ]) func broken(new: ReleasedType, reason: String) {
        #expect(breaks(new).contains(reason), "\(breaks(new))")
    }

    @Test func newTypesBreakNobody() {
        let more = Self.changed { $0.type = "thing.v2" }
        #expect(Compatibility.breaks(released: [Self.old], current: [Self.old, more]).isEmpty)
    }
}
