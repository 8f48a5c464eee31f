# SPDX-License-Identifier: Apache-2.0
"""What the Swift formatter does not look at: Python's syntax, blanks at line ends, line lengths, licence lines."""

import ast
import subprocess
import sys
from pathlib import Path

COLUMNS_MAX = 120
LICENSE = "SPDX-License-Identifier: Apache-2.0"
LICENSED = {".py", ".swift"}
# Tables and long links cannot be broken; test data says what it says.
LINES_OF_ANY_LENGTH = {".md", ".json", ".html", ".lock", ""}
SKIPPED_FOLDERS = {"Fixtures", "Golden", "golden"}


def problems(path: Path) -> list[str]:
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        return []
    found = []
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            found.append(f"{path}:{number}: blanks at the end of the line")
        if len(line) > COLUMNS_MAX and path.suffix not in LINES_OF_ANY_LENGTH:
            found.append(f"{path}:{number}: {len(line)} columns, at most {COLUMNS_MAX}")
    if text and not text.endswith("\n"):
        found.append(f"{path}:{len(lines)}: the last line has no end")
    first = lines[1] if lines[0].startswith(("#!", "// swift-tools-version")) and len(lines) > 1 else lines[0]
    if path.suffix in LICENSED and path.name != "Package.swift" and LICENSE not in first:
        found.append(f"{path}:1: the first line is to say {LICENSE}")
    if path.suffix == ".py":
        try:
            ast.parse(text, str(path))
        except SyntaxError as error:
            found.append(f"{path}:{error.lineno}: {error.msg}")
    return found


def main() -> int:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True)
    paths = [Path(name) for name in listing.stdout.split("\0") if name]
    found = [problem for path in paths if path.is_file() and not SKIPPED_FOLDERS & set(path.parts)
             for problem in problems(path)]
    print("\n".join(found) or f"text of {len(paths)} files: ok")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
