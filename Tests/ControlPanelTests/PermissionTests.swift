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
        #expect(granted == [.readOrganisation, .readApp, .readDeployments, .readLogs, .fetchCode])
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
}
