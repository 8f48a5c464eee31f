// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Builder

@Suite struct RuntimeDockerfileTests {
    private func lines(_ dockerfile: RuntimeDockerfile) throws -> [String] {
        try dockerfile.text().split(separator: "\n").map(String.init)
    }

    @Test func pythonInstallsItsRequirementsBeforeTheCodeIsCopied() throws {
        let dockerfile = RuntimeDockerfile(
            language: "python", version: "3.11", hook: nil, arguments: [], files: .init(hasRequirements: true))
        #expect(
            try lines(dockerfile) == [
                "FROM python:3.11-slim", "WORKDIR /app",
                "ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 "
                    + "PIP_ROOT_USER_ACTION=ignore",
                "COPY requirements.txt ./", "RUN pip install --no-cache-dir -r requirements.txt", "USER 1000:1000",
                "COPY . .",
            ])
    }

    @Test func requirementsThatNeedTheCodeAreInstalledAfterIt() throws {
        let dockerfile = RuntimeDockerfile(
            language: "python", version: "3.11", hook: nil, arguments: [],
            files: .init(hasRequirements: true, isRequirementsAlone: false))
        #expect(
            try lines(dockerfile).suffix(3) == [
                "COPY . .", "RUN pip install --no-cache-dir -r requirements.txt", "USER 1000:1000",
            ])
    }

    @Test func variablesAreDeclaredBeforeTheFirstStepThatRuns() throws {
        let dockerfile = RuntimeDockerfile(
            language: "python", version: "3.12.1", hook: nil, arguments: ["B", "A"],
            files: .init(hasRequirements: true))
        let all = try lines(dockerfile)
        let first = try #require(all.firstIndex { $0.hasPrefix("RUN ") })
        #expect(all[..<first].contains("ARG A") && all[..<first].contains("ARG B"))
    }

    @Test func aHookRunsOnTheCodeAndTheImageEndsUnprivileged() throws {
        let dockerfile = RuntimeDockerfile(
            language: "python", version: "3.11", hook: "./build.sh \"a\"\n# USER root\necho \\", arguments: [],
            files: .init())
        #expect(
            try lines(dockerfile).suffix(3) == [
                "COPY . .", #"RUN ["/bin/sh","-ec","./build.sh \"a\"\n# USER root\necho \\"]"#, "USER 1000:1000",
            ])
    }

    @Test func nodeInstallsWhatIsLockedWhereThereIsALock() throws {
        var dockerfile = RuntimeDockerfile(
            language: "node", version: "20", hook: nil, arguments: [],
            files: .init(hasPackage: true, hasPackageLock: true))
        #expect(
            try lines(dockerfile) == [
                "FROM node:20-slim", "WORKDIR /app", "ENV NODE_ENV=production",
                "COPY package.json package-lock.json ./",
                "RUN npm ci --omit=dev --no-audit --no-fund --cache /tmp/npm-cache && rm -rf /tmp/npm-cache",
                "USER 1000:1000", "COPY . .",
            ])
        dockerfile.files.hasPackageLock = false
        #expect(try lines(dockerfile)[3] == "COPY package.json ./")
        #expect(try lines(dockerfile)[4].hasPrefix("RUN npm install --omit=dev "))
        dockerfile.files.hasPackage = false
        #expect(try !lines(dockerfile).contains { $0.hasPrefix("RUN ") })
    }

    @Test func nothingForeignGetsIntoTheDockerfile() {
        func fails(_ language: String, _ version: String, _ arguments: [String]) -> Bool {
            let dockerfile = RuntimeDockerfile(
                language: language, version: version, hook: nil, arguments: arguments, files: .init())
            return (try? dockerfile.text()) == nil
        }
        #expect(fails("ruby", "3.2", []))
        #expect(fails("python", "3.11\nUSER root", []))
        #expect(fails("python", "", []))
        #expect(fails("python", "3.11", ["A\nRUN id"]))
        #expect(fails("python", "3.11", ["1A"]))
    }

    @Test(arguments: [
        ("flask==3.0\n# comment\n\nuvicorn[standard]>=0.20 ; python_version > '3.8'\n", true),
        ("--index-url https://pypi.example.org/simple\nflask\n", true),
        ("--extra-index-url=https://pypi.example.org/simple\nflask\n", true),
        ("flask @ https://example.org/flask-3.0.tar.gz\n", true), ("https://example.org/a.whl\n", true), ("", true),
        ("-r base.txt\n", false), ("-e .\n", false), (".\n", false), ("./lib\n", false), ("lib/a.whl\n", false),
        ("-c constraints.txt\nflask\n", false), ("a @ file:///app/a\n", false), ("--find-links wheels\n", false),
    ])
    func requirementsThatNameFilesAreTold(_ text: String, _ isAlone: Bool) {
        #expect(Requirements.isAlone(text) == isAlone)
    }
}
