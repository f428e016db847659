//! Tables: aligned columns without lines, as wide as the terminal allows, plain when there is none.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, Color, ContentArrangement, Table};

use super::escape::escape;

/// Fewer columns of a terminal than this leave none for the text of a cell.
const LEAST_WIDTH: u16 = 60;

/// How a table is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// For a person: in colour, and broken to the width of the terminal.
    Terminal,
    /// For a pipe or file: one line a row, no colours.
    Plain,
}

/// A cell: its text, and what colour it has for a person.
pub enum Field {
    /// Any text.
    Text(String),
    /// A state or phase, coloured by what it means.
    State(String),
}

impl From<String> for Field {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Field {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Draws a table. Every text is escaped here.
pub fn draw(header: &[&str], rows: Vec<Vec<Field>>, look: Look) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    // A terminal that does not know its width, or is too narrow for columns, breaks lines itself.
    let is_wide_enough = table.width().is_some_and(|width| width >= LEAST_WIDTH);
    match look {
        Look::Terminal if !is_wide_enough => {
            table.set_content_arrangement(ContentArrangement::Disabled)
        }
        Look::Terminal => table.set_content_arrangement(ContentArrangement::Dynamic),
        Look::Plain => table
            .force_no_tty()
            .set_content_arrangement(ContentArrangement::Disabled),
    };
    table.set_header(header.iter().map(Cell::new));
    for row in rows {
        table.add_row(row.into_iter().map(cell));
    }
    let last = table.column_count().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index == last { 0 } else { 2 }));
    }
    table.trim_fmt()
}

fn cell(field: Field) -> Cell {
    match field {
        Field::Text(text) => Cell::new(or_dash(&text)),
        Field::State(state) => {
            let cell = Cell::new(or_dash(&state));
            match color_of(&state) {
                Some(color) => cell.fg(color),
                None => cell,
            }
        }
    }
}

/// An empty cell would shift what comes behind it for `awk` and `cut`.
fn or_dash(text: &str) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        escape(text)
    }
}

fn color_of(state: &str) -> Option<Color> {
    match state {
        "running" | "running (healthy)" | "active" | "done" => Some(Color::Green),
        "error" | "failed" | "disconnected" | "running (unhealthy)" => Some(Color::Red),
        "stopped" | "created" | "inactive" | "removed" | "canceled" => Some(Color::DarkGrey),
        _ => Some(Color::Yellow),
    }
}
