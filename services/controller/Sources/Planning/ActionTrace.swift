// SPDX-License-Identifier: Apache-2.0
import Domain
import Events

extension EnvironmentView {
    /// The trace that the events of `action` belong to: that of the request for the deployment which the action is
    /// about, whoever made the action necessary. What is about no deployment is part of removing the environment.
    ///
    /// An instance belongs to its deployment until its end, so that one trace shows all of a deployment's life.
    func trace(of action: Action) -> TraceContext? {
        switch action {
        case .enter(_, let id, _), .note(let id, _), .useImage(_, _, let id), .requestBuild(_, let id),
            .requestService(_, _, _, let id), .createInstance(_, _, _, let id), .succeed(let id),
            .fail(let id, _, _, _):
            deployment(id)
        case .cancelBuild(let build): queue.first { $0.build == build }?.trace
        case .stopInstance(let id), .forgetInstance(let id), .retireInstance(let id):
            instances.first { $0.id == id }?.trace
        case .publishRoute(_, _, let id?): deployment(id)
        // Routes follow the instances of the deployment that serves.
        case .publishRoute(_, _, nil): current == nil ? queue.first?.trace : currentTrace
        case .removeRoute, .removeService, .deleteEnvironment: removalTrace
        }
    }

    private func deployment(_ id: DeploymentID) -> TraceContext? { queue.first { $0.id == id }?.trace }
}
