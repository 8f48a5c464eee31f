// SPDX-License-Identifier: Apache-2.0

extension OpenAPIText {
    static let eventPaths = """
          /v1/organisations/{org}/events:
            parameters:
              - $ref: "#/components/parameters/Organisation"
            get:
              tags: [events]
              operationId: readEvents
              summary: What happens in an organisation
              description: |
                The public events of the organisation's apps, in their order, numbered from 1 without gaps: deployments,
                builds and usage. `/asyncapi.json` describes each type. Log lines are not among them: deployments and
                environments have streams of their own for those. State is not either: what is true now is to be had
                from the other endpoints. Events of what the panel does not know any more may be missing.

                A stream of server-sent events: `id` is the event's number, `data` the CloudEvent in the JSON format of
                CloudEvents 1.0 on one line. After a loss of the connection, `Last-Event-ID` goes on where it was, and
                nothing is left out or given twice. Ids without data, which come with the heartbeats, move the position
                on over events of other types. A client that does not keep up is cut off; the last line, a comment, says
                so. An event may be published twice: consumers know it by its CloudEvents `id`.

                Clients that accept application/json get a page of events instead.

                Events are kept for 7 days, at most 100,000 of an organisation. A position before the oldest event kept
                is answered with 410, which names the oldest one. At most 20 streams of an organisation are open at
                once with each panel process.
              parameters:
                - $ref: "#/components/parameters/LastEventID"
                - name: after
                  in: query
                  description: >-
                    Go on after the event with this number; 0 is before the first event, `latest` is now. Without it,
                    and without Last-Event-ID, reading begins with the oldest event kept.
                  schema:
                    oneOf:
                      - {type: integer, minimum: 0}
                      - {type: string, enum: [latest]}
                - name: types
                  in: query
                  description: Events of these types only, at most 50.
                  style: form
                  explode: false
                  schema:
                    type: array
                    items: {type: string}
                  example: [deployment.succeeded.v1, deployment.failed.v1]
                - name: limit
                  in: query
                  description: Events in a page.
                  schema: {type: integer, minimum: 1, maximum: 1000, default: 100}
              responses:
                "200":
                  description: Events, oldest first.
                  content:
                    text/event-stream:
                      schema: {type: string}
                      example: |
                        : still here
                        id: 41

                        event: message
                        id: 42
                        data: {"id":"evt_01jz","specversion":"1.0","type":"deployment.succeeded.v1","data":{}}

                    application/json:
                      schema: {$ref: "#/components/schemas/EventPage"}
                "400": {$ref: "#/components/responses/Malformed"}
                "401": {$ref: "#/components/responses/Unauthenticated"}
                "404": {$ref: "#/components/responses/NotFound"}
                "410":
                  description: Events after the position are not kept any more; the problem names the oldest one.
                  content:
                    application/problem+json:
                      schema: {$ref: "#/components/schemas/Problem"}
                "422": {$ref: "#/components/responses/Invalid"}
                "429":
                  description: Too many streams of this organisation are open.
                  content:
                    application/problem+json:
                      schema: {$ref: "#/components/schemas/Problem"}
                "503": {$ref: "#/components/responses/Unavailable"}
                default: {$ref: "#/components/responses/Problem"}
        """

    static let eventSchemas = """
            CloudEvent:
              type: object
              description: An event in the JSON format of CloudEvents 1.0; `type` tells what `data` looks like.
              required: [specversion, id, source, type, time, subject, datacontenttype, data]
              properties:
                specversion: {type: string, enum: ["1.0"]}
                id: {type: string}
                source: {type: string}
                type: {type: string}
                time: {$ref: "#/components/schemas/Time"}
                subject: {type: string}
                datacontenttype: {type: string}
                traceparent: {type: string, description: "W3C Trace Context, of the request that caused it."}
                data: {type: object}
            EventPage:
              type: object
              required: [events, next, hasMore, oldest, newest]
              properties:
                events:
                  type: array
                  items:
                    type: object
                    required: [sequence, event]
                    properties:
                      sequence: {type: integer}
                      event: {$ref: "#/components/schemas/CloudEvent"}
                next: {type: integer, description: What to give as `after` for the next page.}
                hasMore: {type: boolean, description: There is a next page already.}
                oldest: {type: integer, description: The oldest event kept.}
                newest: {type: integer, description: "The newest event; 0 before the first."}
            BusTopic:
              type: object
              required: [name, kind, retentionSeconds, partitionCount, partitions]
              properties:
                name: {type: string}
                kind: {type: string, enum: [event, state]}
                retentionSeconds: {type: integer, description: "Of events, and of a state topic's tombstones."}
                partitionCount: {type: integer, description: As the catalogue has it.}
                partitions:
                  type: array
                  description: As the bus has them; empty where the topic is missing.
                  items:
                    type: object
                    required: [partition, oldest, next]
                    properties:
                      partition: {type: integer}
                      oldest: {type: integer, description: The first offset kept.}
                      next: {type: integer, description: The offset that the next record gets.}
            BusLag:
              type: object
              required: [group, topic, partition, committed, lag]
              properties:
                group: {type: string}
                topic: {type: string}
                partition: {type: integer}
                committed: {type: integer, description: The first offset that the group has not handled.}
                lag: {type: integer, description: "Records published and not handled, at most."}
            DeadLetter:
              type: object
              required:
                - id
                - consumer
                - topic
                - partition
                - offset
                - recordKey
                - eventId
                - type
                - cause
                - status
                - canReplay
                - parkedAt
                - decidedAt
                - decidedBy
              properties:
                id: {type: string}
                consumer: {type: string, description: The consumer group that could not handle the record.}
                topic: {type: string}
                partition: {type: integer}
                offset: {type: integer}
                recordKey: {type: string}
                eventId: {type: [string, "null"]}
                type: {type: [string, "null"]}
                cause: {type: string}
                status: {type: string, enum: [parked, replayed, discarded]}
                canReplay: {type: boolean}
                parkedAt: {$ref: "#/components/schemas/Time"}
                decidedAt: {type: [string, "null"], format: date-time}
                decidedBy: {type: [string, "null"], description: E-mail address.}
            DeadLetterDetail:
              allOf:
                - $ref: "#/components/schemas/DeadLetter"
                - type: object
                  required: [headers, value, valueOmitted]
                  properties:
                    headers:
                      type: object
                      additionalProperties: {type: string}
                    value:
                      type: [string, "null"]
                      description: As it travelled, with what is sealed in it sealed. `null` for a tombstone.
                    valueOmitted: {type: boolean, description: The value was too large to be kept.}
        """
}
