// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// The Dockerfile of an app that names a runtime instead of bringing one.
///
/// What changes least comes first, so that a build after a change of code alone takes dependencies from the cache.
struct RuntimeDockerfile: Sendable, Hashable {
    /// Added to the context under this name; a file of the same name in the repository is overridden.
    static let path = ".slipway.Dockerfile"

    /// Files in the root of the repository that decide how dependencies are installed.
    struct Files: Sendable, Hashable {
        var hasRequirements = false
        /// `requirements.txt` can be installed without the rest of the repository.
        var isRequirementsAlone = true
        var hasPackage = false
        var hasPackageLock = false

        static let names = ["requirements.txt", "package.json", "package-lock.json"]
    }

    static let baseSuffix = "-slim"

    /// The image that a runtime's Dockerfile begins with.
    static func base(_ language: String, _ version: String) -> String { "\(language):\(version)\(baseSuffix)" }

    var language: String
    var version: String
    var hook: String?
    /// Names of the variables that the build sees.
    var arguments: [String]
    var files: Files

    /// - Throws: `BuildFailure` for a runtime that is not known.
    func text() throws -> String {
        guard !version.isEmpty, version.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2e }) else {
            throw BuildFailure("The runtime's version is \"\(LogText.clean(version))\": expected one such as 3.11.")
        }
        guard arguments.allSatisfy(Self.isName) else {
            throw BuildFailure("A variable that builds see has a name with more than letters, digits and underscores.")
        }
        return switch language {
        case "python": python().joined(separator: "\n") + "\n"
        case "node": node().joined(separator: "\n") + "\n"
        default:
            throw BuildFailure(
                "The runtime \"\(LogText.clean(language))\" is not known: use python, node or a Dockerfile.")
        }
    }

    private func python() -> [String] {
        let install = "RUN pip install --no-cache-dir -r requirements.txt"
        var lines = [
            "FROM \(Self.base("python", version))", "WORKDIR /app",
            "ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 "
                + "PIP_ROOT_USER_ACTION=ignore",
        ]
        lines += arguments.sorted().map { "ARG \($0)" }
        if files.hasRequirements, files.isRequirementsAlone {
            lines += ["COPY requirements.txt ./", install]
            return lines + code(then: [])
        }
        return lines + code(then: files.hasRequirements ? [install] : [])
    }

    private func node() -> [String] {
        var lines = ["FROM \(Self.base("node", version))", "WORKDIR /app", "ENV NODE_ENV=production"]
        lines += arguments.sorted().map { "ARG \($0)" }
        if files.hasPackage {
            let command = files.hasPackageLock ? "ci" : "install"
            lines.append("COPY package.json \(files.hasPackageLock ? "package-lock.json " : "")./")
            lines.append(
                "RUN npm \(command) --omit=dev --no-audit --no-fund --cache /tmp/npm-cache && rm -rf /tmp/npm-cache")
        }
        return lines + code(then: [])
    }

    private static let user = "USER 1000:1000"

    /// The repository's files and what runs on them. The image ends with an unprivileged user; where nothing runs
    /// after the copying that user is set before it, so that only one step depends on the code.
    private func code(then steps: [String]) -> [String] {
        let steps = steps + (hook.map { [Self.run($0)] } ?? [])
        return steps.isEmpty ? [Self.user, "COPY . ."] : ["COPY . ."] + steps + [Self.user]
    }

    /// In JSON, so that the command is one line however many it has; `-e` makes a failing line fail the build.
    private static func run(_ command: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        let words = (try? encoder.encode(["/bin/sh", "-ec", command])) ?? Data()
        return "RUN " + String(decoding: words, as: UTF8.self)
    }

    private static func isName(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return name.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || $0 == 0x5f
        }
    }
}

/// Whether `requirements.txt` names packages only, or also files of the repository.
enum Requirements {
    private static let harmlessOptions = [
        "-i", "--index-url", "--extra-index-url", "--trusted-host", "--no-binary", "--only-binary", "--prefer-binary",
        "--pre", "--require-hashes", "--hash", "--no-index", "--use-feature",
    ]

    static func isAlone(_ text: String) -> Bool {
        text.split(whereSeparator: \.isNewline).allSatisfy { line in
            let line = line.drop(while: \.isWhitespace)
            if line.isEmpty || line.hasPrefix("#") { return true }
            if line.hasPrefix("-") {
                let option = line.prefix { !$0.isWhitespace && $0 != "=" }
                return harmlessOptions.contains(String(option))
            }
            if line.contains("file:") { return false }
            let requirement = line.prefix { !$0.isWhitespace && $0 != ";" && $0 != "#" }
            return requirement.contains("://")
                || !requirement.contains("/") && !requirement.hasPrefix(".")
                    && !requirement.hasSuffix(".whl") && !requirement.hasSuffix(".tar.gz")
                    && !requirement.hasSuffix(".zip")
        }
    }
}
