// SPDX-License-Identifier: Apache-2.0
import Domain

extension Catalogue {
    /// The services that read through `EventConsumer`: they park what they cannot handle.
    private static let consumers: [Service] = [.panel, .controller, .builder, .services]

    static let others: [Entry] = [
        Entry(
            LogLines.self, key: "{environment}", .public, from: [.builder, .runner], to: [.panel],
            "Lines of one build, release hook or instance, in order.",
            [
                .environment,
                .optional("deployment", .id(prefix: "dpl"), "The deployment they belong to."),
                .optional("instance", .id(prefix: "ins"), "The instance that wrote them."),
                .required("source", .open(["build", "release", "app"]), "What wrote them."),
                .required(
                    "lines",
                    .array(
                        .object([
                            .required("at", .time, "When the line was written."),
                            .required("text", .string, "The line, at most 16 KiB, without its end."),
                        ])), "The lines."),
                .required("dropped", .count, "Lines lost before the first of these, because a limit was reached."),
            ],
            example: {
                LogLines(
                    environment: Example.environment, deployment: Example.deployment, instance: Example.instance,
                    source: .app, lines: [.init(at: Example.time, text: "GET /cart 200 12ms")], dropped: 0)
            }),
        Entry(
            UsageRecorded.self, key: "{environment}", .public, from: [.controller], to: [.panel],
            "What the instances of one environment used in one period. Periods of an environment do not overlap.",
            [
                .organisation, .app, .environment,
                .required("from", .time, "Beginning of the period, included."),
                .required("to", .time, "End of the period, excluded."),
                .required("instanceSeconds", .count, "Seconds that instances ran, added up over all of them."),
                .required(
                    "memoryMebibyteSeconds", .count,
                    "Memory limit of each instance in MiB times the seconds it ran, added up."),
            ],
            example: {
                UsageRecorded(
                    organisation: "acme", app: "shop", environment: Example.environment,
                    from: Timestamp(microseconds: 1_767_222_000_000_000),
                    to: Timestamp(microseconds: 1_767_225_600_000_000), instanceSeconds: 7200,
                    memoryMebibyteSeconds: 3_686_400)
            }),
        Entry(
            DeadLetter.self, key: "{consumer}", .internal, from: consumers, to: [.panel],
            "A record that a consumer could not handle, parked so that its partition goes on.",
            [.required("consumer", .string, "The consumer group.")] + position + [
                .optional("value", .string, "The record's value; absent for a tombstone and when it was left out."),
                .optional("valueOmitted", .boolean, "The value was too large to park, or no text. Absent: false."),
                .required("cause", .string, "Why it could not be handled."),
            ],
            example: { Example.deadLetter() }),
        Entry(
            DeadLetterReplayRequested.self, key: "{consumer}", .internal, from: [.panel], to: consumers,
            "An operator wants a parked record handled again, by the consumer that parked it.",
            [
                .required("letter", .id(prefix: "evt"), "The id of the dead letter's event."),
                .required("consumer", .string, "The consumer group that is to handle the record."),
            ] + position + [.optional("value", .string, "The record's value; absent for a tombstone.")],
            example: {
                let parked = Example.deadLetter()
                return DeadLetterReplayRequested(
                    letter: Example.letter, consumer: parked.consumer, topic: parked.topic,
                    partition: parked.partition, offset: parked.offset, recordKey: parked.recordKey,
                    headers: parked.headers, value: parked.value)
            }),
    ]

    private static let position: [Schema.Property] = [
        .required("topic", .string, "Topic of the record, without the cloudspace."),
        .required("partition", .count, "Partition of the record."),
        .required("offset", .count, "Offset of the record."),
        .required("recordKey", .string, "Key of the record."),
        .required("headers", .headers, "Headers of the record."),
    ]
}
