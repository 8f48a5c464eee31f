// SPDX-License-Identifier: Apache-2.0
import Hummingbird
import Logging
import NIOCore

/// What is known of a request before its sender is.
struct PanelContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    var requestID = RequestIdentifier.unknown
    var user: User?
    /// What the user was found by.
    var token: TokenSecret?
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }
}

/// A request whose sender is known. Routes that need a user take this, and so cannot be reached without one.
struct AuthenticatedContext: ChildRequestContext {
    var coreContext: CoreRequestContextStorage
    let requestID: String
    let user: User
    let token: TokenSecret
    let channel: any Channel

    init(context: PanelContext) throws {
        guard let user = context.user, let token = context.token else {
            throw Problem.unauthenticated("send a token: `Authorization: Bearer slp_…`")
        }
        // Copied whole: it holds the parameters that the path gave.
        coreContext = context.coreContext
        requestID = context.requestID
        channel = context.channel
        self.user = user
        self.token = token
    }
}
