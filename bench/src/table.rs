//! Rows of figures of one kind: a row for each circumstance, a column for each figure.

use serde_json::{Value, json};

/// A table with a name for each row.
#[derive(Debug, Default)]
pub(crate) struct Table {
    columns: Vec<&'static str>,
    rows: Vec<(String, Vec<f64>)>,
}

impl Table {
    pub(crate) fn name_columns(&mut self, columns: &[&'static str]) {
        self.columns = columns.to_vec();
    }

    pub(crate) fn add(&mut self, name: String, values: &[f64]) {
        self.rows.push((name, values.to_vec()));
    }

    pub(crate) fn to_json(&self) -> Value {
        let rows = self.rows.iter().map(|(name, values)| {
            let cells = self.columns.iter().zip(values);
            let cells = cells.map(|(column, value)| ((*column).to_owned(), json!(value)));
            json!({ "row": name, "figures": cells.collect::<Value>() })
        });
        rows.collect()
    }

    /// As lines of text; none if it has no rows.
    pub(crate) fn lines(&self) -> Vec<String> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        let widest = self.rows.iter().map(|(name, _)| name.len()).max();
        let widest = widest.unwrap_or_default();
        let line = |name: &str, cells: Vec<String>| {
            let columns = self.columns.iter();
            let cells = columns.zip(cells).map(|(column, cell)| {
                let width = column.len().max(8);
                format!("  {cell:>width$}")
            });
            format!("{name:<widest$}{}", cells.collect::<String>())
        };
        let names = self.columns.iter().map(|column| (*column).to_owned());
        let mut lines = vec![line("", names.collect())];
        for (name, values) in &self.rows {
            lines.push(line(name, values.iter().copied().map(rounded).collect()));
        }
        lines
    }
}

/// A figure as a person reads it; a dash where there is none.
pub(crate) fn rounded(value: f64) -> String {
    match value.abs() {
        none if none.is_nan() => "-".to_owned(),
        0.0 => "0".to_owned(),
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_names() {
        let mut table = Table::default();
        table.name_columns(&["a second", "last"]);
        table.add("one".to_owned(), &[1_234.5, 0.25]);
        table.add("three".to_owned(), &[f64::NAN, 0.0]);
        assert_eq!(
            table.lines(),
            [
                "       a second      last",
                "one        1234     0.250",
                "three         -         0",
            ]
        );
    }
}
