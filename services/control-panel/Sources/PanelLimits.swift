// SPDX-License-Identifier: Apache-2.0

/// Every bound of the control panel. Limits that other services share stand in `Domain.Limits`.
enum PanelLimits {
    // MARK: HTTP

    static let requestBodyBytesMax = 1 << 20
    /// A Git request: a little above `repositoryInputBytesMax`, so that Git itself names the limit.
    static let gitRequestBytesMax = repositoryInputBytesMax + (16 << 20)
    /// What is still read of a refused body, so that a client that is sending gets to see the answer.
    static let refusedBodyBytesMax = 4 << 20
    static let refusedBodyTimeMax: Duration = .seconds(2)
    static let headerBytesMax = 32 << 10
    static let connectionIdleMax: Duration = .seconds(75)
    /// From a request's head to its answer, streams apart.
    static let answerMax: Duration = .seconds(30)
    static let jsonDepthMax = 16
    static let jsonMembersMax = 2_000
    static let connectionsMax = 1_000
    static let streamsMax = 200
    static let heartbeatInterval: Duration = .seconds(15)
    /// A stream whose token was revoked ends this late, or with the next heartbeat while it is quiet.
    static let streamAuthorizationInterval: Duration = .seconds(5)
    /// A stream looks this often without a wake-up: another panel process may have handled the event.
    static let streamPollInterval: Duration = .seconds(1)
    static let streamBatch = 500
    /// Log lines travel on another topic than the end of a deployment and may come a little later.
    static let stragglersAfterSuccess: Duration = .milliseconds(200)
    static let stragglersAfterFailure: Duration = .milliseconds(1500)

    // MARK: Accounts

    static let nameCharactersMax = 100
    static let emailBytesMax = 254
    static let tokensPerUserMax = 100
    static let tokenDaysMax = 3650
    static let organisationsPerUserMax = 50
    static let tokenUseRecordedEvery: Duration = .seconds(60)
    static let idempotencyKeyBytesMax = 200
    static let idempotencyKept: Duration = .seconds(86_400)

    // MARK: Apps

    static let appsPerOrganisationMax = 200
    static let environmentsPerAppMax = 50
    static let branchBytesMax = 200
    static let hostnameAttemptsMax = 50
    /// Names and values of an environment's variables together: a deployment request must fit in one event.
    static let variablesBytesMax = 256 << 10

    // MARK: Deployments

    static let unfinishedDeploymentsMax = 20
    static let deploymentLogLinesMax = 20_000
    static let appLogLinesMax = 10_000
    static let listMax = 100
    static let listDefault = 20
    static let messageCharactersMax = 200

    // MARK: Feed

    /// The bus keeps most events as long.
    static let feedKept: Duration = .seconds(7 * 86_400)
    static let feedEventsPerOrganisationMax = 100_000
    static let feedPageDefault = 100
    static let feedPageMax = 1_000
    /// What a page holds in memory, unless its first event alone is larger.
    static let feedPageBytesMax = 256 << 10
    /// In each panel process.
    static let feedStreamsPerOrganisationMax = 20
    static let feedWakeUpsMax = 1_000
    /// Events of an environment may come after its removal, at most as old as the bus keeps them.
    static let removedEnvironmentsKept: Duration = .seconds(30 * 86_400)
    static let feedTypesMax = 50
    /// A client that takes longer for what it is sent is told so and cut off, and after `streamWriteMax` just cut off.
    static let streamWriteSlow: Duration = .seconds(10)
    static let streamWriteMax: Duration = .seconds(30)

    // MARK: Bus

    static let busAnswerMax: Duration = .seconds(10)
    /// Of a record's value, and of its headers together, in a line of the tail.
    static let tailValueBytesMax = 16 << 10
    static let tailHeadersBytesMax = 8 << 10
    /// Lines that wait for a client of the tail.
    static let tailBufferMax = 200
    static let deadLettersDefault = 50
    static let deadLettersPageMax = 200
    static let deadLettersKept: Duration = .seconds(30 * 86_400)
    static let deadLettersMax = 10_000
    static let deadLetterTextBytesMax = 8 << 10
    static let purgeBatch = 5_000

    // MARK: Git

    /// `receive.maxInputSize`: one push.
    static let repositoryInputBytesMax = 256 << 20
    static let gitExchangeMax: Duration = .seconds(600)
    static let gitCommandMax: Duration = .seconds(20)
    static let gitOutputBytesMax = 1 << 20
    static let gitMessageBytesMax = 256 << 10
    static let referenceListBytesMax = 32 << 20
    static let gitProcessesMax = 32
    static let errorTailBytesMax = 4 << 10
    static let responseHeadBytesMax = 16 << 10
    static let pushCommandsBytesMax = 256 << 10
    static let pushStreamMax: Duration = .seconds(3600)
    static let cloneTokenLife: Duration = .seconds(6 * 3600)

    // MARK: Upkeep

    static let upkeepInterval: Duration = .seconds(600)
}
