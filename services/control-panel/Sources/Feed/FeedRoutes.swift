// SPDX-License-Identifier: Apache-2.0
import Domain
import HTTPTypes
import Hummingbird
import NIOCore
import ServiceLifecycle

/// The events of an organisation, for programs outside: as a stream, or page by page.
struct FeedRoutes: Sendable {
    let feed: FeedStore
    let notifier: StreamNotifier
    let streams: Slots
    let streamsOfOrganisation = SlotsByKey(PanelLimits.feedStreamsPerOrganisationMax)

    func add(to endpoints: Endpoints) {
        endpoints.on(.get, "organisations/{org}/events", .readEvents, in: OrganisationScope.self, read)
    }

    @Sendable func read(_ call: Call<OrganisationScope>) async throws -> Response {
        let organisation = call.scope.organisation
        let types = try Self.types(call)
        let limit = try call.number("limit", default: PanelLimits.feedPageDefault, in: 1...PanelLimits.feedPageMax)
        let position = try FeedPosition.read(call)
        let start = try position.resolve(in: try await feed.bounds(of: organisation.id))
        if LogRoutes.wantsJSON(call.request) {
            let page = try await feed.page(of: organisation.id, after: start, types: types, limit: limit)
            if FeedPosition.isGone(start, in: page.bounds) { throw Problem.feedPositionGone(start, page.bounds) }
            return Answer.json(text: Self.text(page), status: .ok)
        }
        let slots = try takeSlots(of: organisation)
        let client = StreamClient(call.context.channel)
        return Response(
            status: .ok, headers: ServerSentEvent.headers,
            body: ResponseBody { writer in
                defer { withExtendedLifetime(slots) {} }
                try await stream(
                    organisation.id, after: start, types: types, client, call.streamAuthorization, to: &writer)
                try await writer.finish(nil)
            })
    }

    // MARK: Stream

    private func stream(
        _ organisation: OrganisationID, after start: Int, types: [String]?, _ client: StreamClient,
        _ authorization: StreamAuthorization, to writer: inout any ResponseBodyWriter
    ) async throws {
        let signal = notifier.watch(organisation)
        defer { notifier.unwatch(organisation) }
        var authorization = authorization
        var position = start
        var lastWrite = ContinuousClock.now
        // Written at once, so that the client sees the head of the answer before the first event.
        var text = ServerSentEvent.heartbeat(id: position)
        while true {
            guard try await authorization.holds() else {
                _ = try await client.write(StreamAuthorization.withdrawn, to: &writer)
                return
            }
            if !text.isEmpty {
                guard try await client.write(text, to: &writer) else {
                    let advice = "go on with Last-Event-ID: \(position)"
                    _ = try await client.write(StreamClient.cutOff(advice), to: &writer)
                    return
                }
                lastWrite = .now
                text = ""
            }
            let raised = signal.count
            let page = try await feed.page(
                of: organisation, after: position, types: types, limit: PanelLimits.streamBatch)
            if FeedPosition.isGone(position, in: page.bounds) {
                let last = "cut off: the oldest event kept is \(page.bounds.oldest), after \(position) some are gone"
                _ = try await client.write(ServerSentEvent.comment(last), to: &writer)
                return
            }
            position = page.next
            if !page.entries.isEmpty {
                text = Self.text(page.entries)
            } else if Task.isShuttingDownGracefully || Task.isCancelled {
                return
            } else if ContinuousClock.now - lastWrite >= PanelLimits.heartbeatInterval {
                text = ServerSentEvent.heartbeat(id: position)
            } else {
                await signal.wait(since: raised, timeout: PanelLimits.streamPollInterval)
            }
        }
    }

    static func text(_ entries: [FeedStore.Entry]) -> String {
        entries.map { ServerSentEvent(name: "message", id: "\($0.sequence)", data: $0.event).text }.joined()
    }

    // MARK: Page

    /// The events are JSON already.
    static func text(_ page: FeedStore.Page) -> String {
        let events = page.entries.map { #"{"sequence":\#($0.sequence),"event":\#($0.event)}"# }.joined(separator: ",")
        return #"{"events":[\#(events)],"next":\#(page.next),"hasMore":\#(!page.isLast),"#
            + #""oldest":\#(page.bounds.oldest),"newest":\#(page.bounds.newest)}"#
    }

    // MARK: Requests

    static func types(_ call: Call<OrganisationScope>) throws -> [String]? {
        guard let text = call.query("types") else { return nil }
        let types = text.split(separator: ",", maxSplits: PanelLimits.feedTypesMax).map(String.init)
        let known = FeedPayloads.types
        guard !types.isEmpty, types.count <= PanelLimits.feedTypesMax else {
            throw Problem.invalid([
                .init(field: "types", message: "has \(types.count) types, expected 1 to \(PanelLimits.feedTypesMax)")
            ])
        }
        let wrong = types.filter { !known.contains($0) }
        guard wrong.isEmpty else {
            throw Problem.invalid(
                wrong.map { type in
                    .init(
                        field: "types",
                        message: "\"\(type.prefix(60))\" is no type of the feed, expected some of "
                            + known.joined(separator: ", "))
                })
        }
        return types
    }

    private func takeSlots(of organisation: Organisation) throws -> [Slot] {
        guard let own = streamsOfOrganisation.take(organisation.id.rawValue) else {
            throw Problem(
                status: .tooManyRequests, code: "too-many-streams", title: "Too many streams",
                detail:
                    "\(PanelLimits.feedStreamsPerOrganisationMax) streams of \(organisation.name)'s events are open "
                    + "already: close one first, or read pages with Accept: application/json",
                headers: [.retryAfter: "10"])
        }
        guard let shared = streams.take() else {
            throw Problem.unavailable("the panel serves \(streams.limit) streams already: try again in a moment")
        }
        return [own, shared]
    }
}
