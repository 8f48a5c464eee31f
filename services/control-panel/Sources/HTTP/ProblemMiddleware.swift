// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Hummingbird
import NIOCore
import Postgres

/// Turns whatever a handler throws into a problem that its sender can act upon.
struct ProblemMiddleware: RouterMiddleware {
    typealias Context = PanelContext

    func handle(
        _ request: Request, context: PanelContext, next: (Request, PanelContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as Problem {
            throw error
        } catch let error as GitRefusal {
            throw error
        } catch let error as PostgresError where error.isRetriable {
            context.logger.warning("database unavailable", metadata: ["error": "\(error)"])
            throw Problem.unavailable("the panel's database does not answer: try again in a moment")
        } catch is NIOTooManyBytesError {
            throw Problem.tooLarge(bytesMax: PanelLimits.requestBodyBytesMax)
        } catch let error as HTTPError where error.status == .notFound {
            throw Problem.notFound("\(request.uri.path)")
        } catch let error as HTTPError where error.status.kind == .clientError {
            throw Problem(
                status: error.status, code: "malformed", title: error.status.reasonPhrase,
                detail: error.body ?? "the request cannot be understood")
        } catch is CancellationError {
            throw Problem.unavailable("the panel is shutting down: try again in a moment")
        } catch {
            context.logger.error("request failed", metadata: ["error": "\(error)"])
            throw Problem.internalError()
        }
    }
}
