// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ControlPanel

@Suite struct PermissionTests {
    @Test func nothingOfAnOrganisationIsGrantedWithoutARole() {
        for permission in Permission.allCases where permission.roleNeeded != nil {
            #expect(!permission.isGranted(to: nil), "\(permission)")
        }
    }

    @Test func anOwnerMayDoAllThatOthersMay() {
        for permission in Permission.allCases where permission.roleNeeded != nil {
            #expect(permission.isGranted(to: .owner), "\(permission)")
        }
    }

    @Test func aViewerReadsAndChangesNothing() {
        let granted = Set(Permission.allCases.filter { $0.isGranted(to: .viewer) })
        #expect(granted == [.readOrganisation, .readApp, .readDeployments, .readLogs, .readEvents, .fetchCode])
    }

    @Test func aDeveloperDeploysButDeletesNoApp() {
        #expect(Permission.deploy.isGranted(to: .developer))
        #expect(Permission.pushCode.isGranted(to: .developer))
        #expect(!Permission.deleteApp.isGranted(to: .developer))
    }

    @Test func permissionsOfTheAccountAreDeniedWhereAnOrganisationIsMeant() {
        #expect(Permission.manageTokens.isGranted(to: nil))
        #expect(!Permission.manageTokens.isGranted(to: .owner))
    }

    @Test func theInstallationIsForOperatorsWhateverTheirRole() {
        let permissions = Permission.allCases.filter { $0.need == .isOperator }
        #expect(Set(permissions) == [.readBus, .decideDeadLetters])
        for permission in permissions {
            #expect(permission.isGranted(to: .installation(isOperator: true)))
            #expect(!permission.isGranted(to: .installation(isOperator: false)))
            #expect(!permission.isGranted(to: .member(.owner)))
            #expect(!permission.isGranted(to: .account))
        }
    }

    @Test func anOperatorIsNobodyInAnOrganisation() {
        for permission in Permission.allCases where permission.need != .isOperator {
            #expect(!permission.isGranted(to: .installation(isOperator: true)), "\(permission)")
        }
    }
}
