//! Tables: columns that stand beneath each other, and where there is too little room for that, a line for each cell.

use crate::painted::{Painted, Style, width, wrapped};
use crate::screen::Screen;

/// Between two columns.
const GAP: usize = 2;
/// The last column has so much room, or as much as it needs, in a table.
const LAST: usize = 16;
/// Before what is said of a row beneath its first cell.
const INDENT: usize = 2;
/// The least room for a cell on lines of its own.
const LEAST: usize = 4;

#[derive(Debug, Default)]
pub struct Cell {
    pub text: String,
    pub style: Style,
}

impl Cell {
    pub fn plain(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), style: Style::Plain }
    }
}

/// The table, with its head. Each row has a cell for each column. The last column is broken where the screen ends.
pub fn table<const N: usize>(head: [&str; N], rows: &[[Cell; N]], screen: Screen) -> Painted {
    let widths = std::array::from_fn::<usize, N, _>(|column| {
        let cells = rows.iter().map(|row| width(&row[column].text));
        cells.chain([width(head[column])]).max().unwrap_or(0)
    });
    let before_last = widths[..N - 1].iter().map(|width| width + GAP).sum::<usize>();
    match screen.width() {
        Some(columns) if before_last + widths[N - 1].min(LAST) > columns => {
            stacked(head, rows, columns, screen)
        }
        columns => {
            let room = columns.map_or(usize::MAX, |columns| columns - before_last);
            let head = head.map(|text| Cell { text: text.to_owned(), style: Style::Head });
            let mut table = Painted::new(screen.colours);
            for row in std::iter::once(&head).chain(rows) {
                for (cell, column) in row.iter().zip(widths).take(N - 1) {
                    table.push(cell.style, &cell.text);
                    table.spaces(column - width(&cell.text) + GAP);
                }
                hang(&mut table, &row[N - 1], room, before_last);
            }
            table
        }
    }
}

fn stacked<const N: usize>(head: [&str; N], rows: &[[Cell; N]], columns: usize, screen: Screen) -> Painted {
    let names = head.map(str::to_lowercase);
    let name_width = names[1..].iter().map(|name| width(name)).max().unwrap_or(0);
    let before = INDENT + name_width + GAP;
    let mut table = Painted::new(screen.colours);
    for row in rows {
        let first = Cell { text: row[0].text.clone(), style: Style::Head };
        hang(&mut table, &first, columns, 0);
        for (name, cell) in names.iter().zip(row).skip(1) {
            // Where not even that fits, what the cells say is more than what they are called.
            let (before, name) = match columns.checked_sub(before) {
                Some(LEAST..) => (before, &**name),
                _ => (1, ""),
            };
            if before > 1 {
                table.spaces(INDENT);
                table.push(Style::Faint, name);
                table.spaces(before - INDENT - width(name));
            } else {
                table.spaces(1);
            }
            hang(&mut table, cell, columns.saturating_sub(before).max(1), before);
        }
    }
    table
}

/// A cell from here on, in lines of so many columns, which begin where the first one does.
fn hang(table: &mut Painted, cell: &Cell, room: usize, before: usize) {
    for (index, piece) in wrapped(&cell.text, room).iter().enumerate() {
        if index > 0 {
            table.spaces(before);
        }
        table.push(cell.style, piece);
        table.end_line();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(rows: &[[&str; 3]], columns: Option<usize>) -> String {
        let rows: Vec<[Cell; 3]> = rows.iter().map(|row| row.map(Cell::plain)).collect();
        let screen = Screen { size: columns.map(|columns| (columns, 24)), colours: false };
        table(["NAME", "STATE", "SCOPE"], &rows, screen).into_text()
    }

    #[test]
    fn columns_stand_beneath_each_other_whatever_is_in_them() {
        assert_eq!(
            shown(&[["ünï", "idle", "read:/a"], ["日本語", "running", ""], ["a\nb", "", "x"]], None),
            "NAME    STATE    SCOPE\n\
             ünï     idle     read:/a\n\
             日本語  running  \n\
             a\\nb             x\n"
        );
    }

    #[test]
    fn no_line_is_longer_than_the_screen_is_wide() {
        let rows = [["reviewer", "running", "write:/home/me/a/long/way"], ["x", "idle", "(none)"]];
        for columns in 1..60 {
            let text = shown(&rows, Some(columns));
            assert!(text.lines().all(|line| width(line) <= columns.max(2)), "{columns}:\n{text}");
        }
        assert_eq!(
            shown(&rows, Some(36)),
            "NAME      STATE    SCOPE\n\
             reviewer  running  write:/home/me/a/\n                   long/way\n\
             x         idle     (none)\n"
        );
        assert_eq!(
            shown(&rows, Some(20)),
            "reviewer\n  state  running\n  scope  write:/home\n         /me/a/long/\n         way\n\
             x\n  state  idle\n  scope  (none)\n"
        );
    }
}
