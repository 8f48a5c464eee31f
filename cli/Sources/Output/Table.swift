// SPDX-License-Identifier: Apache-2.0

/// Columns under a header, as wide as their widest cell, two spaces apart, without trailing spaces.
struct Table: Sendable {
    struct Cell: Sendable, Equatable {
        var text: String
        var style: TextStyle

        /// Nothing to show is a hyphen, so that columns can be cut by scripts.
        init(_ text: String?, _ style: TextStyle = .plain) {
            let line = TerminalText.singleLine(text ?? "")
            self.text = line.isEmpty ? "-" : line
            self.style = style
        }
    }

    private static let gap = 2

    var header: [String]
    var rows: [[Cell]] = []

    init(_ header: String...) {
        self.header = header
    }

    mutating func add(_ cells: Cell...) {
        rows.append(cells)
    }

    func rendered(_ styling: TextStyling = .none) -> String {
        let all = [header.map { Cell($0, .bold) }] + rows
        var widths = [Int](repeating: 0, count: all.map(\.count).max() ?? 0)
        for row in all {
            for (column, cell) in row.enumerated() {
                widths[column] = max(widths[column], DisplayWidth.of(cell.text))
            }
        }
        return all.map { line($0, widths: widths, styling) }.joined(separator: "\n")
    }

    private func line(_ cells: [Cell], widths: [Int], _ styling: TextStyling) -> String {
        var text = ""
        var padding = 0
        for (cell, width) in zip(cells, widths) {
            text += String(repeating: " ", count: padding) + styling.apply(cell.style, cell.text)
            padding = width - DisplayWidth.of(cell.text) + Self.gap
        }
        return text
    }
}

/// One thing's properties, name and value, one a line.
struct Fields: Sendable {
    private var lines: [(name: String, cell: Table.Cell)] = []

    mutating func add(_ name: String, _ value: String?, _ style: TextStyle = .plain) {
        lines.append((name, Table.Cell(value, style)))
    }

    func rendered(_ styling: TextStyling = .none) -> String {
        let width = lines.map { DisplayWidth.of($0.name) }.max() ?? 0
        return lines.map { line in
            let padding = String(repeating: " ", count: width - DisplayWidth.of(line.name) + 2)
            return styling.apply(.bold, line.name) + padding + styling.apply(line.cell.style, line.cell.text)
        }.joined(separator: "\n")
    }
}
