// SPDX-License-Identifier: Apache-2.0

extension OpenAPIText {
    static let head = """
        openapi: 3.1.0
        info:
          title: Slipway control panel
          version: "1"
          summary: Push code, get a running application.
          description: |
            Everything that Slipway's web pages and its command-line client can do is done with this API.

            Fields are in camelCase, times in RFC 3339 and UTC. A field without a value is `null`, never absent.
            Unknown fields in a request are errors. Errors are problem details (RFC 9457). What belongs to an
            organisation that the caller is not a member of does not exist for the caller: the answer is 404.

            A POST that creates something and a change of variables may carry an `Idempotency-Key`. The same key with
            the same request is answered as the first time for 24 hours, with `Idempotency-Replayed: true`, and
            nothing is done again.

            A stream ends within 20 seconds of its token being revoked, or of its permission being taken away.

            Every answer has an `X-Request-Id`; one that is sent is kept. A `traceparent` (W3C Trace Context) that is
            sent is handed on, up to the last event that the request causes.
          license:
            name: Apache-2.0
            identifier: Apache-2.0
        security:
          - token: []
        tags:
          - name: account
            description: The caller's account, tokens and organisations.
          - name: apps
            description: Apps and their environments. An environment runs one branch under one hostname.
          - name: variables
            description: What instances find in their environment. Secret values can be written and never read.
          - name: deployments
            description: What was deployed, is being deployed, and how it went.
          - name: events
            description: What happens in an organisation, for programs outside.
          - name: bus
            description: The event bus of the installation and what its consumers could not handle. For operators.
          - name: git
            description: Repositories, by Git's smart HTTP protocol.
          - name: service
            description: About this API.
        paths:
          /:
            get:
              tags: [service]
              operationId: getWelcome
              summary: What this is
              security: []
              responses:
                "200":
                  description: Where to go from here.
                  content:
                    application/json:
                      schema:
                        type: object
                        required: [name, api, documentation]
                        properties:
                          name: {type: string}
                          api: {type: string}
                          documentation: {type: string}
                      example:
                        name: Slipway control panel
                        api: /v1
                        documentation: /openapi.yaml
          /openapi.yaml:
            get:
              tags: [service]
              operationId: getOpenAPIAsYAML
              summary: This document
              security: []
              responses:
                "200":
                  description: OpenAPI 3.1 in YAML.
                  content:
                    application/yaml:
                      schema: {type: string}
          /openapi.json:
            get:
              tags: [service]
              operationId: getOpenAPIAsJSON
              summary: This document in JSON
              security: []
              responses:
                "200":
                  description: OpenAPI 3.1 in JSON.
                  content:
                    application/json:
                      schema: {type: object}
          /asyncapi.json:
            get:
              tags: [service]
              operationId: getAsyncAPI
              summary: The events on the bus
              security: []
              responses:
                "200":
                  description: AsyncAPI 3.0 in JSON; docs/events.md says the same for people.
                  content:
                    application/json:
                      schema: {type: object}
        """
}
