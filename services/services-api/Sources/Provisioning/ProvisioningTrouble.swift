// SPDX-License-Identifier: Apache-2.0
import Domain
import Postgres
import Secrets

/// A request that can never be fulfilled: what is wrong and what to do, for the developer.
struct ProvisioningRefusal: Error, Sendable, Hashable, CustomStringConvertible {
    let reason: String
    var description: String { reason }

    /// - Returns: `nil` when the server offers what is wanted: majors are compared, since minors are upgraded in place.
    static func ofVersion(_ wanted: String, server major: Int) -> ProvisioningRefusal? {
        let wantedMajor = wanted.split(separator: ".", omittingEmptySubsequences: false).first.flatMap { Int($0) }
        if wantedMajor == major { return nil }
        return ProvisioningRefusal(
            reason: "postgresql:\(wanted) is not offered, this cloudspace has PostgreSQL \(major): write "
                + "postgresql:\(major) in slipway.yaml.")
    }
}

/// What is done about an error.
enum ProvisioningTrouble: Sendable, Hashable {
    case retry(after: Duration)
    case giveUp(reason: String)

    /// - Parameters:
    ///   - attempt: attempts that failed before this one.
    ///   - age: since the request.
    static func of(_ error: any Error, job: ServiceWork.Job, attempt: Int, age: Duration) -> ProvisioningTrouble {
        if job == .remove {
            return .retry(after: backOff(attempt, max: ServicesLimits.removalBackOffMax))
        }
        if let refusal = error as? ProvisioningRefusal { return .giveUp(reason: refusal.reason) }
        guard let error = error as? PostgresError else {
            return .giveUp(reason: "Provisioning failed for a reason that only the platform's log tells.")
        }
        let pause = backOff(attempt, max: ServicesLimits.backOffMax)
        if isTransient(error), age + pause < ServicesLimits.outageMax { return .retry(after: pause) }
        return .giveUp(reason: reason(error))
    }

    private static func backOff(_ attempt: Int, max: Duration) -> Duration {
        // Capped before it is doubled: attempts of a removal go on without end.
        min(ServicesLimits.backOffMin * (1 << min(Swift.max(0, attempt), 20)), max)
    }

    private static func isTransient(_ error: PostgresError) -> Bool {
        // 55006: the object is in use; 40: a conflict with another session.
        error.isRetriable || error.sqlState == "55006" || error.sqlState?.hasPrefix("40") == true
            // The time limit of a statement: a busy server.
            || error.sqlState == "57014"
    }

    private static func reason(_ error: PostgresError) -> String {
        let minutes = ServicesLimits.outageMax.components.seconds / 60
        return switch error.sqlState {
        case "53100": "The PostgreSQL server's disk is full: its operator has to make room; then deploy again."
        case "42501":
            "The platform's account on the PostgreSQL server may not make databases: its operator has to grant it "
                + "CREATEDB and CREATEROLE."
        case "53300":
            "The PostgreSQL server had no free connection for \(minutes) minutes: its operator has to allow more."
        case nil where error.isRetriable:
            "The PostgreSQL server of this cloudspace did not answer for \(minutes) minutes: its operator has to look "
                + "at it; then deploy again."
        default:
            "The PostgreSQL server refused: \(String(error.message.prefix(ServicesLimits.reasonBytesMax / 4)))"
        }
    }
}
