// SPDX-License-Identifier: Apache-2.0

extension OpenAPIText {
    static let appPaths = """
          /v1/organisations/{org}/apps:
            parameters:
              - $ref: "#/components/parameters/Organisation"
            get:
              tags: [apps]
              operationId: listApps
              summary: The apps of an organisation
              responses:
                "200":
                  description: Apps by name.
                  content:
                    application/json:
                      schema:
                        type: array
                        items: {$ref: "#/components/schemas/App"}
                \(problems(404))
            post:
              tags: [apps]
              operationId: createApp
              summary: Create an app
              description: With an empty repository and the environment `main` of the branch `main`.
              parameters:
                - $ref: "#/components/parameters/IdempotencyKey"
              requestBody:
                required: true
                content:
                  application/json:
                    schema: {$ref: "#/components/schemas/NewApp"}
                    example: {name: shop}
              responses:
                "201":
                  description: The app.
                  headers:
                    Location: {$ref: "#/components/headers/Location"}
                  content:
                    application/json:
                      schema: {$ref: "#/components/schemas/App"}
                      example:
                        id: app_01jz7m3k8w1d9q4r5t6v7x8y9z
                        organisation: acme
                        name: shop
                        gitUrl: https://panel.example.org/git/acme/shop.git
                        createdAt: "2026-01-31T10:00:00.000000Z"
                        environments:
                          - id: env_01jz7m3k8w1d9q4r5t6v7x8y9z
                            name: main
                            branch: main
                            hostname: shop-acme.apps.example.org
                            url: https://shop-acme.apps.example.org
                            currentDeployment: null
                            latestDeployment: null
                            createdAt: "2026-01-31T10:00:00.000000Z"
                \(problems(403, 404, 409, 422))
          /v1/apps/{org}/{app}:
            parameters:
              - $ref: "#/components/parameters/Organisation"
              - $ref: "#/components/parameters/App"
            get:
              tags: [apps]
              operationId: getApp
              summary: An app
              responses:
                "200":
                  description: The app with its environments.
                  content:
                    application/json:
                      schema: {$ref: "#/components/schemas/App"}
                \(problems(404))
            delete:
              tags: [apps]
              operationId: deleteApp
              summary: Delete an app
              description: With its repository, its environments, all that runs in them and their data. For owners.
              responses:
                "204": {description: The app is gone; what runs is being taken down.}
                \(problems(403, 404))
          /v1/apps/{org}/{app}/environments:
            parameters:
              - $ref: "#/components/parameters/Organisation"
              - $ref: "#/components/parameters/App"
            get:
              tags: [apps]
              operationId: listEnvironments
              summary: The environments of an app
              responses:
                "200":
                  description: Environments, oldest first.
                  content:
                    application/json:
                      schema:
                        type: array
                        items: {$ref: "#/components/schemas/Environment"}
                \(problems(404))
            post:
              tags: [apps]
              operationId: createEnvironment
              summary: Create an environment
              description: For a branch that has none. A branch that was pushed already is deployed at once.
              parameters:
                - $ref: "#/components/parameters/IdempotencyKey"
              requestBody:
                required: true
                content:
                  application/json:
                    schema: {$ref: "#/components/schemas/NewEnvironment"}
                    example: {name: staging, branch: release/next}
              responses:
                "201":
                  description: The environment.
                  headers:
                    Location: {$ref: "#/components/headers/Location"}
                  content:
                    application/json:
                      schema: {$ref: "#/components/schemas/Environment"}
                \(problems(403, 404, 409, 422))
          /v1/apps/{org}/{app}/environments/{env}:
            parameters:
              - $ref: "#/components/parameters/Organisation"
              - $ref: "#/components/parameters/App"
              - $ref: "#/components/parameters/Environment"
            get:
              tags: [apps]
              operationId: getEnvironment
              summary: An environment
              responses:
                "200":
                  description: The environment.
                  content:
                    application/json:
                      schema: {$ref: "#/components/schemas/Environment"}
                \(problems(404))
            delete:
              tags: [apps]
              operationId: deleteEnvironment
              summary: Delete an environment
              description: With all that runs in it and its data. Its branch stays in the repository.
              responses:
                "204": {description: The environment is gone; what runs is being taken down.}
                \(problems(403, 404))
          /v1/apps/{org}/{app}/environments/{env}/logs:
            parameters:
              - $ref: "#/components/parameters/Organisation"
              - $ref: "#/components/parameters/App"
              - $ref: "#/components/parameters/Environment"
            get:
              tags: [apps]
              operationId: getLogs
              summary: What the instances print
              parameters:
                - name: follow
                  in: query
                  description: >-
                    Stream lines as they come, as server-sent events named `line`. Without it, and for clients that
                    accept application/json, a list.
                  schema: {type: boolean, default: false}
                - name: lines
                  in: query
                  description: How many of the newest lines to begin with.
                  schema: {type: integer, minimum: 0, maximum: 10000, default: 100}
                - $ref: "#/components/parameters/LastEventID"
              responses:
                "200":
                  description: Lines, oldest first.
                  content:
                    application/json:
                      schema:
                        type: array
                        items: {$ref: "#/components/schemas/AppLogLine"}
                    text/event-stream:
                      schema: {type: string}
                \(problems(404, 422))
        """
}
