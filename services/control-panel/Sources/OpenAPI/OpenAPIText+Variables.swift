// SPDX-License-Identifier: Apache-2.0

extension OpenAPIText {
    static let variablePaths = """
          /v1/apps/{org}/{app}/environments/{env}/variables:
            parameters:
              - $ref: "#/components/parameters/Organisation"
              - $ref: "#/components/parameters/App"
              - $ref: "#/components/parameters/Environment"
            get:
              tags: [variables]
              operationId: listVariables
              summary: The variables of an environment
              responses:
                "200":
                  description: Variables by name. A secret one has null as its value.
                  content:
                    application/json:
                      schema:
                        type: array
                        items: {$ref: "#/components/schemas/Variable"}
                \(problems(403, 404))
            patch:
              tags: [variables]
              operationId: changeVariables
              summary: Set and unset variables
              description: All of it or nothing. With `deploy`, one deployment follows where there is a release.
              parameters:
                - $ref: "#/components/parameters/Deploy"
                - $ref: "#/components/parameters/IdempotencyKey"
              requestBody:
                required: true
                content:
                  application/json:
                    schema: {$ref: "#/components/schemas/VariableChange"}
                    example:
                      set:
                        GREETING: {value: hello}
                        API_KEY: {value: "s3cr3t", isSecret: true}
                      unset: [OLD_FLAG]
                      deploy: true
              responses:
                "200":
                  description: The variables after the change, and the deployment that was asked for.
                  content:
                    application/json:
                      schema: {$ref: "#/components/schemas/ChangedVariables"}
                \(problems(400, 403, 404, 409, 422))
          /v1/apps/{org}/{app}/environments/{env}/variables/{name}:
            parameters:
              - $ref: "#/components/parameters/Organisation"
              - $ref: "#/components/parameters/App"
              - $ref: "#/components/parameters/Environment"
              - name: name
                in: path
                required: true
                schema: {$ref: "#/components/schemas/VariableName"}
              - $ref: "#/components/parameters/Deploy"
            put:
              tags: [variables]
              operationId: setVariable
              summary: Set a variable
              parameters:
                - $ref: "#/components/parameters/IdempotencyKey"
              requestBody:
                required: true
                content:
                  application/json:
                    schema:
                      allOf:
                        - $ref: "#/components/schemas/VariableSetting"
                        - type: object
                          properties:
                            deploy: {type: boolean, default: false}
                    example: {value: hello, isSecret: false, visibleInBuild: false}
              responses:
                "200":
                  description: The variables after the change, and the deployment that was asked for.
                  content:
                    application/json:
                      schema: {$ref: "#/components/schemas/ChangedVariables"}
                \(problems(400, 403, 404, 409, 422))
            delete:
              tags: [variables]
              operationId: unsetVariable
              summary: Unset a variable
              parameters:
                - $ref: "#/components/parameters/IdempotencyKey"
              responses:
                "200":
                  description: The variables after the change, and the deployment that was asked for.
                  content:
                    application/json:
                      schema: {$ref: "#/components/schemas/ChangedVariables"}
                \(problems(403, 404, 409, 422))
        """
}
