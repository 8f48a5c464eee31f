// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Domain

struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Follow an organisation's events; look into the event bus.",
        discussion: """
            "follow" is for members of an organisation. The others show the event bus of the whole installation and \
            are for its operators.
            """,
        subcommands: [
            EventsFollow.self, EventsTopics.self, EventsLag.self, EventsTail.self, DeadLettersCommand.self,
        ])
}

struct EventsTopics: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topics", abstract: "List the topics of the event bus and what they hold.")

    @OptionGroup var output: OutputOptions

    func run() async throws {
        let session = try Session.open()
        let document = try await session.client.get(RequestPath.bus.appending("topics"))
        if output.json { return session.console.json(document) }
        var table = Table("TOPIC", "KIND", "PARTITIONS", "RECORDS", "KEPT")
        var missing: [String] = []
        for topic in try document.decode([BusTopic].self) {
            if topic.partitions.isEmpty { missing.append(topic.name) }
            let records = topic.partitions.reduce(0) { $0 + max(0, $1.next - $1.oldest) }
            let kept = topic.kind == "state" ? "latest of a key" : topic.retentionSeconds.map { "\($0 / 86_400) d" }
            table.add(
                .init(topic.name, .bold), .init(topic.kind), .init("\(topic.partitions.count)"), .init("\(records)"),
                .init(kept))
        }
        session.console.data(table.rendered(session.console.outputStyle))
        if !missing.isEmpty {
            session.console.note(
                "Missing on the bus: \(missing.joined(separator: ", ")). A starting service creates them.")
        }
        session.console.note("RECORDS is an upper bound: retention and compaction leave gaps.")
        session.console.next("slipway events lag", "slipway events tail --topic NAME")
    }
}

struct EventsLag: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lag", abstract: "Show how far each consumer group of Slipway is behind, the furthest first.")

    @Flag(help: "Every partition, not only topics as a whole.")
    var partitions = false

    @OptionGroup var output: OutputOptions

    func run() async throws {
        let session = try Session.open()
        let document = try await session.client.get(RequestPath.bus.appending("lag"))
        if output.json { return session.console.json(document) }
        let positions = try document.decode([BusLag].self)
        guard !positions.isEmpty else {
            session.console.note("No consumer group has handled anything yet.")
            return session.console.next("slipway events topics")
        }
        let table = partitions ? detailed(positions) : summed(positions)
        session.console.data(table.rendered(session.console.outputStyle))
        session.console.next("slipway events dead-letters list   (what consumers could not handle)")
    }

    private func detailed(_ positions: [BusLag]) -> Table {
        var table = Table("GROUP", "TOPIC", "PARTITION", "COMMITTED", "LAG")
        for position in positions.sorted(by: { $0.lag > $1.lag }) {
            table.add(
                .init(position.group, .bold), .init(position.topic), .init("\(position.partition)"),
                .init(position.committed.map { "\($0)" }), Self.cell(position.lag))
        }
        return table
    }

    private func summed(_ positions: [BusLag]) -> Table {
        struct Name: Hashable, Comparable {
            let group: String
            let topic: String
            static func < (a: Name, b: Name) -> Bool { (a.group, a.topic) < (b.group, b.topic) }
        }
        var lags: [Name: Int64] = [:]
        for position in positions {
            lags[Name(group: position.group, topic: position.topic), default: 0] += position.lag
        }
        var table = Table("GROUP", "TOPIC", "LAG")
        for (name, lag) in lags.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
            table.add(.init(name.group, .bold), .init(name.topic), Self.cell(lag))
        }
        return table
    }

    private static func cell(_ lag: Int64) -> Table.Cell { .init("\(lag)", lag > 0 ? .yellow : .green) }
}

struct EventsTail: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail", abstract: "Show the records that are published from now on.",
        discussion: "Sealed values are shown sealed. With --json, each record is one line of JSON.")

    @Option(help: ArgumentHelp("This topic only; can be given several times.", valueName: "name"))
    var topic: [String] = []

    @OptionGroup var output: OutputOptions

    func validate() throws {
        if topic.contains("") { throw ValidationError("--topic is empty.") }
    }

    func run() async throws {
        let session = try Session.open()
        let writer = LogWriter(console: session.console, channel: .output)
        let stream = EventStreamRequest(
            path: RequestPath.bus.appending("tail"), query: topic.map { QueryItem("topic", $0) },
            resumingQuery: topic.map { QueryItem("topic", $0) }, content: .records)
        try await session.client.follow(stream) { event in
            switch event.name {
            case "started": session.console.note("Showing what is published from now on. Ctrl-C stops.")
            case "record" where output.json: session.console.data(event.data)
            case "record":
                let record = try Document(bytes: Array(event.data.utf8)).decode(TailRecord.self)
                writer.write(EventText.line(record))
            default: break
            }
            return .proceed
        }
    }
}

struct EventsFollow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "follow", abstract: "Show an organisation's events, and go on as they happen.",
        discussion: """
            Without --after it begins with what happens from now on. --after 0 begins with the first event there ever \
            was, if it is still kept. With --json, each event is one line: a CloudEvent, whose sequence is its number.
            """)

    @Option(
        name: [.customShort("o"), .customLong("organisation"), .customLong("org")],
        help: "The organisation. Needed only when you belong to several.")
    var organisation: String?

    @Option(help: ArgumentHelp("Events of this type only; can be given several times.", valueName: "type"))
    var type: [String] = []

    @Option(help: ArgumentHelp("Go on after the event with this number.", valueName: "number"))
    var after: Int?

    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let organisation { try Names.check(organisation, what: "--organisation is") }
        if let after, after < 0 { throw ValidationError("--after is \(after): expected an event's number, or 0.") }
        if type.contains(where: { $0.isEmpty || $0.contains(",") }) {
            throw ValidationError("--type is one event type, such as deployment.succeeded.v1.")
        }
    }

    func run() async throws {
        let session = try Session.open()
        let name = try await session.organisation(organisation)
        var query = [QueryItem("after", after.map { "\($0)" } ?? "latest")]
        if !type.isEmpty { query.append(QueryItem("types", type.joined(separator: ","))) }
        let writer = LogWriter(console: session.console, channel: .output)
        let stream = EventStreamRequest(
            path: RequestPath.organisation(name).appending("events"), query: query, resumingQuery: query,
            content: .events)
        let opened = { session.console.note("Events of \(name). Ctrl-C stops.") }
        try await session.client.follow(stream, opened: opened) { event in
            guard event.name == "message" else { return .proceed }
            if output.json {
                session.console.data(EventText.json(event.data, number: event.id))
            } else {
                let decoded = try Document(bytes: Array(event.data.utf8)).decode(FeedEvent.self)
                writer.write(EventText.line(decoded, number: event.id, json: event.data))
            }
            return .proceed
        }
    }
}
