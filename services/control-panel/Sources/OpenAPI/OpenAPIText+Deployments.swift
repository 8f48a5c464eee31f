// SPDX-License-Identifier: Apache-2.0

extension OpenAPIText {
    static let deploymentPaths = """
          /v1/apps/{org}/{app}/environments/{env}/deployments:
            parameters:
              - $ref: "#/components/parameters/Organisation"
              - $ref: "#/components/parameters/App"
              - $ref: "#/components/parameters/Environment"
            get:
              tags: [deployments]
              operationId: listDeployments
              summary: The deployments of an environment
              parameters:
                - name: limit
                  in: query
                  schema: {type: integer, minimum: 1, maximum: 100, default: 20}
                - name: before
                  in: query
                  description: Only deployments with a lower number, for the next page.
                  schema: {type: integer, minimum: 1}
              responses:
                "200":
                  description: Deployments, newest first.
                  content:
                    application/json:
                      schema:
                        type: array
                        items: {$ref: "#/components/schemas/Deployment"}
                \(problems(404, 422))
            post:
              tags: [deployments]
              operationId: createDeployment
              summary: Deploy
              description: |
                - `{"kind": "redeploy"}`: the current release once more, with today's variables.
                - `{"kind": "rollback"}`: the release before the current one as it was, without a build; `to` names
                  another by number or id.
                - `{}`: the head of the environment's branch, or the commit that `commit` names.
              parameters:
                - $ref: "#/components/parameters/IdempotencyKey"
              requestBody:
                required: true
                content:
                  application/json:
                    schema: {$ref: "#/components/schemas/NewDeployment"}
                    examples:
                      redeploy: {value: {kind: redeploy}}
                      rollback: {value: {kind: rollback, to: 7}}
                      commit: {value: {commit: 4c1d9e2b}}
              responses:
                "202":
                  description: The deployment has been asked for.
                  headers:
                    Location: {$ref: "#/components/headers/Location"}
                  content:
                    application/json:
                      schema: {$ref: "#/components/schemas/Deployment"}
                \(problems(403, 404, 409, 422))
          /v1/apps/{org}/{app}/environments/{env}/deployments/{id}:
            parameters:
              - $ref: "#/components/parameters/Organisation"
              - $ref: "#/components/parameters/App"
              - $ref: "#/components/parameters/Environment"
              - $ref: "#/components/parameters/Deployment"
            get:
              tags: [deployments]
              operationId: getDeployment
              summary: A deployment
              responses:
                "200":
                  description: The deployment.
                  content:
                    application/json:
                      schema: {$ref: "#/components/schemas/Deployment"}
                \(problems(404))
          /v1/apps/{org}/{app}/environments/{env}/deployments/{id}/cancel:
            parameters:
              - $ref: "#/components/parameters/Organisation"
              - $ref: "#/components/parameters/App"
              - $ref: "#/components/parameters/Environment"
              - $ref: "#/components/parameters/Deployment"
            post:
              tags: [deployments]
              operationId: cancelDeployment
              summary: Cancel a deployment
              description: It ends as soon as it can; what ran before goes on running.
              responses:
                "202":
                  description: The cancellation has been asked for.
                  content:
                    application/json:
                      schema: {$ref: "#/components/schemas/Deployment"}
                \(problems(403, 404, 409))
          /v1/apps/{org}/{app}/environments/{env}/deployments/{id}/log:
            parameters:
              - $ref: "#/components/parameters/Organisation"
              - $ref: "#/components/parameters/App"
              - $ref: "#/components/parameters/Environment"
              - $ref: "#/components/parameters/Deployment"
            get:
              tags: [deployments]
              operationId: getDeploymentLog
              summary: The log of a deployment
              description: |
                A stream of server-sent events: one named `line` for each line, with its sequence number as id, and at
                the end one named `end` with `{state, reason, url}`. After a loss of the connection, `Last-Event-ID`
                goes on where it was. Clients that accept application/json get the lines so far as a list.
              parameters:
                - $ref: "#/components/parameters/LastEventID"
              responses:
                "200":
                  description: Lines in order.
                  content:
                    text/event-stream:
                      schema: {type: string}
                      example: |
                        event: line
                        id: 1
                        data: {"at":"2026-01-31T10:00:00.000000Z","sequence":1,"stage":"build","text":"installing"}

                        event: end
                        data: {"reason":null,"state":"succeeded","url":"https://shop-acme.apps.example.org"}
                    application/json:
                      schema:
                        type: array
                        items: {$ref: "#/components/schemas/LogLine"}
                \(problems(404, 503))
        """

    static let gitPaths = """
          /git/{org}/{app}.git/info/refs:
            parameters:
              - $ref: "#/components/parameters/Organisation"
              - $ref: "#/components/parameters/App"
            get:
              tags: [git]
              operationId: advertiseReferences
              summary: What a repository has
              security: [{gitPassword: []}, {token: []}]
              parameters:
                - name: service
                  in: query
                  required: true
                  schema: {type: string, enum: [git-upload-pack, git-receive-pack]}
              responses:
                "200": {description: As gitprotocol-http(5) says.}
                default: {$ref: "#/components/responses/GitRefusal"}
          /git/{org}/{app}.git/git-upload-pack:
            parameters:
              - $ref: "#/components/parameters/Organisation"
              - $ref: "#/components/parameters/App"
            post:
              tags: [git]
              operationId: fetch
              summary: Fetch from a repository
              security: [{gitPassword: []}, {token: []}]
              requestBody:
                content:
                  application/x-git-upload-pack-request:
                    schema: {type: string, format: binary}
              responses:
                "200": {description: As gitprotocol-pack(5) says.}
                default: {$ref: "#/components/responses/GitRefusal"}
          /git/{org}/{app}.git/git-receive-pack:
            parameters:
              - $ref: "#/components/parameters/Organisation"
              - $ref: "#/components/parameters/App"
            post:
              tags: [git]
              operationId: push
              summary: Push to a repository
              description: Pushing a branch that has an environment deploys it, and shows the log while it is going on.
              security: [{gitPassword: []}, {token: []}]
              requestBody:
                content:
                  application/x-git-receive-pack-request:
                    schema: {type: string, format: binary}
              responses:
                "200": {description: As gitprotocol-pack(5) says.}
                default: {$ref: "#/components/responses/GitRefusal"}
        """
}
