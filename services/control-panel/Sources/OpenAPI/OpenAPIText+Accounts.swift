// SPDX-License-Identifier: Apache-2.0

extension OpenAPIText {
    static let accountPaths = """
          /v1/user:
            get:
              tags: [account]
              operationId: getUser
              summary: Who the token belongs to
              responses:
                "200":
                  description: The caller.
                  content:
                    application/json:
                      schema: {$ref: "#/components/schemas/User"}
                      example:
                        id: usr_01jz7m3k8w1d9q4r5t6v7x8y9z
                        email: ada@example.org
                        name: ada
                        isOperator: false
                        organisations: [{name: acme, role: owner}]
                \(problems())
          /v1/tokens:
            get:
              tags: [account]
              operationId: listTokens
              summary: The caller's tokens
              responses:
                "200":
                  description: Tokens, oldest first; their text is not among it.
                  content:
                    application/json:
                      schema:
                        type: array
                        items: {$ref: "#/components/schemas/Token"}
                \(problems())
            post:
              tags: [account]
              operationId: createToken
              summary: Create a token
              parameters:
                - $ref: "#/components/parameters/IdempotencyKey"
              requestBody:
                required: true
                content:
                  application/json:
                    schema: {$ref: "#/components/schemas/NewToken"}
                    example: {name: laptop, expiresInDays: 90}
              responses:
                "201":
                  description: >-
                    The token. Its text is given this once: a repetition by Idempotency-Key has null in its place.
                  headers:
                    Location: {$ref: "#/components/headers/Location"}
                  content:
                    application/json:
                      schema: {$ref: "#/components/schemas/CreatedToken"}
                \(problems(409, 422))
          /v1/tokens/{id}:
            parameters:
              - name: id
                in: path
                required: true
                schema: {type: string}
            delete:
              tags: [account]
              operationId: deleteToken
              summary: Revoke a token
              responses:
                "204": {description: The token is worth nothing any more.}
                \(problems(404))
          /v1/organisations:
            get:
              tags: [account]
              operationId: listOrganisations
              summary: The organisations the caller is a member of
              responses:
                "200":
                  description: Organisations by name.
                  content:
                    application/json:
                      schema:
                        type: array
                        items: {$ref: "#/components/schemas/Organisation"}
                \(problems())
            post:
              tags: [account]
              operationId: createOrganisation
              summary: Create an organisation
              description: The caller becomes its owner.
              parameters:
                - $ref: "#/components/parameters/IdempotencyKey"
              requestBody:
                required: true
                content:
                  application/json:
                    schema: {$ref: "#/components/schemas/NewOrganisation"}
                    example: {name: acme}
              responses:
                "201":
                  description: The organisation.
                  headers:
                    Location: {$ref: "#/components/headers/Location"}
                  content:
                    application/json:
                      schema: {$ref: "#/components/schemas/Organisation"}
                \(problems(409, 422))
          /v1/organisations/{org}:
            parameters:
              - $ref: "#/components/parameters/Organisation"
            get:
              tags: [account]
              operationId: getOrganisation
              summary: An organisation
              responses:
                "200":
                  description: The organisation and the caller's role in it.
                  content:
                    application/json:
                      schema: {$ref: "#/components/schemas/Organisation"}
                \(problems(404))
        """
}
