// SPDX-License-Identifier: Apache-2.0

extension OpenAPIText {
    static let components = """
        components:
          securitySchemes:
            token:
              type: http
              scheme: bearer
              description: An access token, which begins with `slp_`.
            gitPassword:
              type: http
              scheme: basic
              description: Any user name, and an access token as the password.
          parameters:
            Organisation:
              name: org
              in: path
              required: true
              description: The organisation's name.
              schema: {$ref: "#/components/schemas/Name"}
            App:
              name: app
              in: path
              required: true
              description: The app's name.
              schema: {$ref: "#/components/schemas/Name"}
            Environment:
              name: env
              in: path
              required: true
              description: The environment's name.
              schema: {$ref: "#/components/schemas/Name"}
            Deployment:
              name: id
              in: path
              required: true
              description: The deployment's id.
              schema: {type: string}
            DeadLetter:
              name: id
              in: path
              required: true
              description: The dead letter's id.
              schema: {type: string}
            Deploy:
              name: deploy
              in: query
              description: Deploy the change at once, where there is a release.
              schema: {type: boolean, default: false}
            IdempotencyKey:
              name: Idempotency-Key
              in: header
              description: Makes the request safe to repeat for 24 hours.
              schema: {type: string, minLength: 1, maxLength: 200}
            LastEventID:
              name: Last-Event-ID
              in: header
              description: Go on after the event with this id.
              schema: {type: integer, minimum: 0}
          headers:
            Location:
              description: Where the new thing is.
              schema: {type: string}
          responses:
            Problem:
              description: Anything that goes wrong.
              content:
                application/problem+json:
                  schema: {$ref: "#/components/schemas/Problem"}
            Malformed:
              description: The request cannot be understood; the problem names the field.
              content:
                application/problem+json:
                  schema: {$ref: "#/components/schemas/Problem"}
                  example:
                    type: "urn:slipway:problem:malformed"
                    title: Malformed request
                    status: 400
                    detail: "set.NAME.value: the text is not UTF-8: send binary data in base64 (byte 27)"
                    instance: /v1/apps/acme/shop/environments/main/variables
                    errors: [{field: set.NAME.value, message: "the text is not UTF-8: send binary data in base64"}]
                    requestId: req_0123456789abcdef
            Unauthenticated:
              description: There is no token, or it is not valid (any more).
              content:
                application/problem+json:
                  schema: {$ref: "#/components/schemas/Problem"}
            Forbidden:
              description: The caller's role in the organisation does not allow it, or the caller is no operator.
              content:
                application/problem+json:
                  schema: {$ref: "#/components/schemas/Problem"}
            NotFound:
              description: There is no such thing, or the caller may not see it.
              content:
                application/problem+json:
                  schema: {$ref: "#/components/schemas/Problem"}
            Conflict:
              description: It does not go with what is there, or a request with this Idempotency-Key is under way.
              content:
                application/problem+json:
                  schema: {$ref: "#/components/schemas/Problem"}
            Invalid:
              description: >-
                A value is not possible, a limit is reached, or the Idempotency-Key was used for another request. Every
                wrong field is named.
              content:
                application/problem+json:
                  schema: {$ref: "#/components/schemas/Problem"}
                  example:
                    type: "urn:slipway:problem:invalid"
                    title: Invalid value
                    status: 422
                    detail: "nmae: is unknown, expected name; name: is missing, expected a text"
                    instance: /v1/organisations
                    errors:
                      - {field: name, message: "is missing, expected a text"}
                      - {field: nmae, message: "is unknown, expected name"}
                    requestId: req_0123456789abcdef
            Unavailable:
              description: Not at the moment; `Retry-After` says when to try again.
              content:
                application/problem+json:
                  schema: {$ref: "#/components/schemas/Problem"}
            GitRefusal:
              description: Why not, as Git shows it to its user.
              content:
                text/plain:
                  schema: {type: string}
        """
}
