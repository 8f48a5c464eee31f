// SPDX-License-Identifier: Apache-2.0
import EngineClient

/// What the builder needs of a container engine.
protocol ImageEngine: Sendable {
    func buildImage(
        contextPath: String, options: BuildOptions, onMessage: @Sendable (String) async throws -> Void
    ) async throws -> String
    func inspectImage(_ reference: String) async throws -> ImageInfo?
    func listImages(reference: String) async throws -> [ImageInfo]
}

extension EngineClient: ImageEngine {}
