// SPDX-License-Identifier: Apache-2.0

extension OpenAPIText {
    static let schemas = """
          schemas:
            Name:
              type: string
              pattern: "^[a-z](?!.*--)[a-z0-9-]{0,38}[a-z0-9]$|^[a-z]$"
              description: 1 to 40 lower-case letters, digits and hyphens, beginning with a letter.
            Time:
              type: string
              format: date-time
            Problem:
              type: object
              required: [type, title, status, detail, requestId]
              properties:
                type: {type: string, format: uri, description: Stable; what programs go by.}
                title: {type: string}
                status: {type: integer}
                detail: {type: string, description: The cause and the fix.}
                instance: {type: string}
                errors:
                  type: array
                  items:
                    type: object
                    required: [field, message]
                    properties:
                      field: {type: string}
                      message: {type: string}
                requestId: {type: string}
            Role:
              type: string
              enum: [owner, developer, viewer]
            User:
              type: object
              required: [id, email, name, isOperator, organisations]
              properties:
                id: {type: string}
                email: {type: string}
                name: {type: string}
                isOperator: {type: boolean, description: Of the installation as a whole.}
                organisations:
                  type: array
                  items:
                    type: object
                    required: [name, role]
                    properties:
                      name: {$ref: "#/components/schemas/Name"}
                      role: {$ref: "#/components/schemas/Role"}
            Token:
              type: object
              required: [id, name, createdAt, expiresAt, lastUsedAt]
              properties:
                id: {type: string}
                name: {type: string}
                createdAt: {$ref: "#/components/schemas/Time"}
                expiresAt: {type: [string, "null"], format: date-time}
                lastUsedAt: {type: [string, "null"], format: date-time}
            NewToken:
              type: object
              additionalProperties: false
              required: [name]
              properties:
                name: {type: string, minLength: 1, maxLength: 100}
                expiresInDays: {type: [integer, "null"], minimum: 1, maximum: 3650}
            CreatedToken:
              type: object
              required: [id, name, token, expiresAt]
              properties:
                id: {type: string}
                name: {type: string}
                token: {type: [string, "null"]}
                expiresAt: {type: [string, "null"], format: date-time}
            Organisation:
              type: object
              required: [id, name, role, createdAt]
              properties:
                id: {type: string}
                name: {$ref: "#/components/schemas/Name"}
                role: {$ref: "#/components/schemas/Role"}
                createdAt: {$ref: "#/components/schemas/Time"}
            NewOrganisation:
              type: object
              additionalProperties: false
              required: [name]
              properties:
                name: {$ref: "#/components/schemas/Name"}
            App:
              type: object
              required: [id, organisation, name, gitUrl, createdAt, environments]
              properties:
                id: {type: string}
                organisation: {$ref: "#/components/schemas/Name"}
                name: {$ref: "#/components/schemas/Name"}
                gitUrl: {type: string, format: uri}
                createdAt: {$ref: "#/components/schemas/Time"}
                environments:
                  type: array
                  items: {$ref: "#/components/schemas/Environment"}
            NewApp:
              type: object
              additionalProperties: false
              required: [name]
              properties:
                name: {$ref: "#/components/schemas/Name"}
            Environment:
              type: object
              required: [id, name, branch, hostname, url, currentDeployment, latestDeployment, createdAt]
              properties:
                id: {type: string}
                name: {$ref: "#/components/schemas/Name"}
                branch: {type: string}
                hostname: {type: string}
                url: {type: string, format: uri}
                currentDeployment:
                  description: What is running.
                  anyOf: [{$ref: "#/components/schemas/Deployment"}, {type: "null"}]
                latestDeployment:
                  anyOf: [{$ref: "#/components/schemas/Deployment"}, {type: "null"}]
                createdAt: {$ref: "#/components/schemas/Time"}
            NewEnvironment:
              type: object
              additionalProperties: false
              required: [name]
              properties:
                name: {$ref: "#/components/schemas/Name"}
                branch: {type: string, maxLength: 200, description: As the name where it is not given.}
            VariableName:
              type: string
              pattern: "^[A-Za-z_][A-Za-z0-9_]{0,127}$"
            VariableSetting:
              type: object
              required: [value]
              properties:
                value: {type: string, maxLength: 32768, description: UTF-8 without NUL.}
                isSecret: {type: boolean, default: false}
                visibleInBuild: {type: boolean, default: false}
            Variable:
              type: object
              required: [name, value, isSecret, visibleInBuild, updatedAt]
              properties:
                name: {$ref: "#/components/schemas/VariableName"}
                value: {type: [string, "null"]}
                isSecret: {type: boolean}
                visibleInBuild: {type: boolean}
                updatedAt: {$ref: "#/components/schemas/Time"}
            VariableChange:
              type: object
              additionalProperties: false
              properties:
                set:
                  type: object
                  additionalProperties: {$ref: "#/components/schemas/VariableSetting"}
                unset:
                  type: array
                  items: {$ref: "#/components/schemas/VariableName"}
                deploy: {type: boolean, default: false}
            ChangedVariables:
              type: object
              required: [variables, deployment]
              properties:
                variables:
                  type: array
                  items: {$ref: "#/components/schemas/Variable"}
                deployment:
                  anyOf: [{$ref: "#/components/schemas/Deployment"}, {type: "null"}]
            NewDeployment:
              type: object
              additionalProperties: false
              properties:
                kind: {type: string, enum: [redeploy, rollback]}
                to: {type: [string, integer], description: A deployment's number or id.}
                commit: {type: string, pattern: "^[0-9A-Fa-f]{7,64}$"}
            Deployment:
              type: object
              required:
                - id
                - number
                - kind
                - restores
                - state
                - stage
                - commit
                - message
                - image
                - imageWasReused
                - reason
                - createdBy
                - createdAt
                - startedAt
                - finishedAt
                - url
                - isCurrent
              properties:
                id: {type: string}
                number: {type: integer, description: Counts from 1 within the environment.}
                kind: {type: string, enum: [push, redeploy, rollback, variables]}
                restores: {type: [integer, "null"], description: The number of the release a rollback goes to.}
                state: {type: string, enum: [queued, running, succeeded, failed, cancelled]}
                stage:
                  type: string
                  enum: [queued, build, provision, place, release, start, switch, drain, finished]
                commit: {type: string}
                message: {type: string, description: The commit's subject.}
                image: {type: [string, "null"]}
                imageWasReused: {type: boolean}
                reason: {type: [string, "null"], description: Why it failed and what to do.}
                createdBy: {type: [string, "null"], description: E-mail address.}
                createdAt: {$ref: "#/components/schemas/Time"}
                startedAt: {type: [string, "null"], format: date-time}
                finishedAt: {type: [string, "null"], format: date-time}
                url: {type: string, format: uri}
                isCurrent: {type: boolean}
            LogLine:
              type: object
              required: [sequence, at, stage, text]
              properties:
                sequence: {type: integer}
                at: {$ref: "#/components/schemas/Time"}
                stage: {type: string}
                text: {type: string}
            AppLogLine:
              type: object
              required: [sequence, at, instance, source, text]
              properties:
                sequence: {type: integer}
                at: {$ref: "#/components/schemas/Time"}
                instance: {type: [string, "null"]}
                source: {type: string, enum: [app, release, build]}
                text: {type: string}
        """
}
