// SPDX-License-Identifier: Apache-2.0

extension OpenAPIText {
    static let busPaths = """
          /v1/bus/topics:
            get:
              tags: [bus]
              operationId: listBusTopics
              summary: The topics of the event bus
              responses:
                "200":
                  description: Every topic of the catalogue, and how far its partitions reach.
                  content:
                    application/json:
                      schema:
                        type: array
                        items: {$ref: "#/components/schemas/BusTopic"}
                \(problems(403, 503))
          /v1/bus/lag:
            get:
              tags: [bus]
              operationId: listBusLag
              summary: Where the consumer groups stand
              responses:
                "200":
                  description: Every partition that a group has committed an offset for.
                  content:
                    application/json:
                      schema:
                        type: array
                        items: {$ref: "#/components/schemas/BusLag"}
                \(problems(403, 503))
          /v1/bus/tail:
            get:
              tags: [bus]
              operationId: tailBus
              summary: The records that are published from now on
              description: |
                A stream of server-sent events: one named `started` as soon as every later record will be seen, then one
                named `record` for each. Sealed values are shown sealed; of a value at most 16 KiB are shown, of key and
                headers 8 KiB. There is nothing to resume: it begins with what is published now. A client that does not
                keep up is cut off, and the last line, a comment, says so.
              parameters:
                - name: topic
                  in: query
                  description: This topic only; can be given several times.
                  schema:
                    type: array
                    items: {type: string}
              responses:
                "200":
                  description: Records as they come.
                  content:
                    text/event-stream:
                      schema: {type: string}
                      example: |
                        event: started
                        data: {"topics":["deployments"]}

                        event: record
                        data: {"headers":{},"isShortened":true,"key":"env_1","offset":7,"partition":0,"topic":"usage"}

                \(problems(403, 422, 503))
          /v1/bus/dead-letters:
            get:
              tags: [bus]
              operationId: listDeadLetters
              summary: What consumers could not handle
              parameters:
                - name: consumer
                  in: query
                  schema: {type: string}
                - name: status
                  in: query
                  schema: {type: string, enum: [parked, replayed, discarded]}
                - name: limit
                  in: query
                  schema: {type: integer, minimum: 1, maximum: 200, default: 50}
                - name: before
                  in: query
                  description: The id of the last one seen, for the next page.
                  schema: {type: string}
              responses:
                "200":
                  description: Dead letters, latest first.
                  content:
                    application/json:
                      schema:
                        type: array
                        items: {$ref: "#/components/schemas/DeadLetter"}
                \(problems(403, 422))
          /v1/bus/dead-letters/{id}:
            parameters:
              - $ref: "#/components/parameters/DeadLetter"
            get:
              tags: [bus]
              operationId: getDeadLetter
              summary: A dead letter with its record
              responses:
                "200":
                  description: The dead letter.
                  content:
                    application/json:
                      schema: {$ref: "#/components/schemas/DeadLetterDetail"}
                \(problems(403, 404))
          /v1/bus/dead-letters/{id}/replay:
            parameters:
              - $ref: "#/components/parameters/DeadLetter"
            post:
              tags: [bus]
              operationId: replayDeadLetter
              summary: Have the consumer handle the record again
              description: >-
                Where that fails again, there is a new dead letter. Possible for 60 days after the record was parked.
              parameters:
                - $ref: "#/components/parameters/IdempotencyKey"
              responses:
                "202":
                  description: The consumer has been asked.
                  content:
                    application/json:
                      schema: {$ref: "#/components/schemas/DeadLetter"}
                \(problems(403, 404, 409, 422))
          /v1/bus/dead-letters/{id}/discard:
            parameters:
              - $ref: "#/components/parameters/DeadLetter"
            post:
              tags: [bus]
              operationId: discardDeadLetter
              summary: Decide that the record is not to be handled
              parameters:
                - $ref: "#/components/parameters/IdempotencyKey"
              responses:
                "200":
                  description: The dead letter, discarded.
                  content:
                    application/json:
                      schema: {$ref: "#/components/schemas/DeadLetter"}
                \(problems(403, 404, 409, 422))
        """
}
