// SPDX-License-Identifier: Apache-2.0
import Domain
import Postgres
import Testing

@testable import ServicesAPI

@Suite struct ProvisioningTests {
    /// The example of RFC 7677, section 3.
    @Test func theVerifierIsThatOfTheStandard() {
        let salt: [UInt8] = [
            0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81,
        ]
        #expect(
            ScramVerifier.text(password: "pencil", salt: salt)
                == "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
                + "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")
    }

    @Test func credentialsFitIntoAURLAndDoNotShowThemselves() {
        var random = SystemRandomNumberGenerator()
        let credentials = Credentials.generate(role: "s_1", using: &random)
        #expect(credentials.password.utf8.count == 32)
        #expect(
            credentials.url(host: "10.0.0.5", port: 5432, database: "s_1")
                == "postgresql://s_1:\(credentials.password)@10.0.0.5:5432/s_1")
        #expect(credentials.url(host: "::1", port: 1, database: "d").hasSuffix("@[::1]:1/d"))
        var dumped = ""
        dump(credentials, to: &dumped)
        #expect(!"\(credentials)".contains(credentials.password) && !dumped.contains(credentials.password))
        #expect(Credentials.generate(role: "s_1", using: &random).password != credentials.password)
    }

    @Test(arguments: [("15", true), ("15.4", true), ("16", false), ("", false), ("1", false), ("x", false)])
    func theMajorVersionMustBeTheServers(_ wanted: String, _ isOffered: Bool) {
        #expect((ProvisioningRefusal.ofVersion(wanted, server: 15) == nil) == isOffered)
    }

    @Test func aVersionThatIsNotOfferedIsNamedWithTheOneThatIs() {
        #expect(
            ProvisioningRefusal.ofVersion("16", server: 15)?.reason
                == "postgresql:16 is not offered, this cloudspace has PostgreSQL 15: write postgresql:15 in "
                + "slipway.yaml.")
    }

    @Test func aServerThatIsAwayIsWaitedForAndThenNamed() {
        let error = PostgresError(.connect, "connection refused")
        func trouble(_ attempt: Int, _ age: Duration) -> ProvisioningTrouble {
            .of(error, job: .provision, attempt: attempt, age: age)
        }
        #expect(trouble(0, .zero) == .retry(after: .milliseconds(250)))
        #expect(trouble(3, .seconds(2)) == .retry(after: .seconds(2)))
        #expect(trouble(1_000, .seconds(100)) == .retry(after: .seconds(10)))
        #expect(
            trouble(1_000, .seconds(115))
                == .giveUp(
                    reason: "The PostgreSQL server of this cloudspace did not answer for 2 minutes: its operator has "
                        + "to look at it; then deploy again."))
    }

    @Test func whatWaitingCannotMendIsGivenUpAtOnce() {
        let denied = PostgresError(.server, "permission denied to create role", sqlState: "42501")
        let trouble = ProvisioningTrouble.of(denied, job: .provision, attempt: 0, age: .zero)
        guard case .giveUp(let reason) = trouble else {
            Issue.record("\(trouble)")
            return
        }
        #expect(reason.contains("CREATEDB and CREATEROLE"))
        let refusal = ProvisioningRefusal(reason: "no")
        #expect(ProvisioningTrouble.of(refusal, job: .provision, attempt: 0, age: .zero) == .giveUp(reason: "no"))
    }

    @Test func aRemovalIsNeverGivenUp() {
        let denied = PostgresError(.server, "must be owner", sqlState: "42501")
        #expect(
            ProvisioningTrouble.of(denied, job: .remove, attempt: 10_000, age: .seconds(1_000_000))
                == .retry(after: .seconds(60)))
    }

    @Test(
        arguments: [
            ("svc_01j0000000000000000000000a", "s_01j0000000000000000000000a"), ("svc_", nil), ("svc", nil),
            ("svc_a\"b", nil), ("svc_A", nil), ("svc_" + String(repeating: "a", count: 41), nil),
        ] as [(String, String?)])
    func namesOnTheServerComeFromWellFormedIdsOnly(_ id: String, _ name: String?) {
        #expect(ServiceIntake.databaseName(of: ServiceInstanceID(id)) == name)
    }
}
