//! What a workload found, as a table for people and as JSON for machines.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};

use crate::machine;
use crate::table::{Table, rounded};

/// What a workload found.
#[derive(Debug)]
pub(crate) struct Outcome {
    name: &'static str,
    parameters: Value,
    figures: Vec<Figure>,
    table: Table,
    details: Value,
    load_before: String,
}

/// One number.
#[derive(Debug, Serialize)]
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    goal: Option<&'static str>,
    /// Whether it stands in the table of all workloads.
    #[serde(skip)]
    is_headline: bool,
}

impl Outcome {
    /// Nothing yet; made when the workload begins.
    pub(crate) fn of(name: &'static str, parameters: Value) -> Self {
        Self {
            name,
            parameters,
            figures: Vec::new(),
            table: Table::default(),
            details: json!({}),
            load_before: machine::load(),
        }
    }

    /// Adds a number.
    pub(crate) fn add(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.figures.push(Figure {
            name: name.into(),
            value,
            unit,
            goal: None,
            is_headline: false,
        });
    }

    /// Adds a number that is to be seen at a glance.
    pub(crate) fn add_headline(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.add(name, value, unit);
        if let Some(figure) = self.figures.last_mut() {
            figure.is_headline = true;
        }
    }

    /// Adds a number that has a goal.
    pub(crate) fn add_with_goal(
        &mut self,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        goal: &'static str,
    ) {
        self.add_headline(name, value, unit);
        if let Some(figure) = self.figures.last_mut() {
            figure.goal = Some(goal);
        }
    }

    /// Puts the figures of another, and what it has for the file, after its own.
    pub(crate) fn put_after(&mut self, mut tail: Self) {
        self.figures.append(&mut tail.figures);
        if let Value::Object(details) = tail.details {
            for (name, value) in details {
                self.details[name] = value;
            }
        }
    }

    /// Names the columns of its table.
    pub(crate) fn columns(&mut self, columns: &[&'static str]) {
        self.table.name_columns(columns);
    }

    /// Adds a row to its table. What is no number was not measured.
    pub(crate) fn row(&mut self, name: impl Into<String>, values: &[f64]) {
        self.table.add(name.into(), values);
    }

    /// Its figures, with their names and units.
    pub(crate) fn figures(&self) -> impl Iterator<Item = (&str, f64, &'static str)> {
        let figures = self.figures.iter();
        figures.map(|figure| (figure.name.as_str(), figure.value, figure.unit))
    }

    /// One of its figures; no number if there is none of that name.
    pub(crate) fn figure(&self, name: &str) -> f64 {
        let mut figures = self.figures();
        let found = figures.find(|(known, _, _)| *known == name);
        found.map_or(f64::NAN, |(_, value, _)| value)
    }

    /// The figures alone, by their names.
    pub(crate) fn by_name(&self) -> Value {
        let figures = self.figures.iter();
        figures
            .map(|figure| (figure.name.clone(), json!(figure.value)))
            .collect()
    }

    /// What is for the file only.
    pub(crate) fn details(&self) -> &Value {
        &self.details
    }

    /// Adds what is for the file only.
    pub(crate) fn detail(&mut self, name: &str, value: Value) {
        self.details[name] = value;
    }

    /// Writes `<name>.json` into a folder.
    pub(crate) async fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let whole = json!({
            "name": self.name,
            "machine": machine::facts().await,
            "loadBefore": self.load_before,
            "parameters": self.parameters,
            "figures": self.figures,
            "table": self.table.to_json(),
            "details": self.details,
        });
        let file = folder.join(format!("{}.json", self.name));
        fs::write(&file, serde_json::to_string_pretty(&whole)?)
            .with_context(|| format!("writing {}", file.display()))
    }

    /// The lines of the table.
    #[expect(clippy::print_stdout, reason = "the table is what a person waits for")]
    pub(crate) fn print(&self) {
        println!("{}  {}", self.name, self.parameters);
        for figure in &self.figures {
            let goal = figure.goal.map(|goal| format!("   goal {goal}"));
            println!(
                "  {:<44} {:>12} {}{}",
                figure.name,
                rounded(figure.value),
                figure.unit,
                goal.unwrap_or_default()
            );
        }
        for line in self.table.lines() {
            println!("  {line}");
        }
    }

    /// Its lines of the table of all workloads.
    pub(crate) fn glance(&self) -> Vec<String> {
        let figures = self.figures.iter().filter(|figure| figure.is_headline);
        let line = |figure: &Figure| {
            let (value, goal) = (rounded(figure.value), figure.goal.unwrap_or_default());
            let met = figure.goal.and_then(|goal| is_met(figure.value, goal));
            let met = met.map_or("", |met| if met { "yes" } else { "NO" });
            let (name, unit) = (&figure.name, figure.unit);
            format!(
                "{:<16} {name:<46} {value:>10} {unit:<4} {goal:>8}  {met}",
                self.name
            )
        };
        figures.map(line).collect()
    }
}

/// Whether a value is as its goal says: `< 15`, `> 95`, or the very number. None if that is no such goal.
fn is_met(value: f64, goal: &str) -> Option<bool> {
    let (sign, number) = goal.split_once(' ').unwrap_or(("", goal));
    let number: f64 = number.parse().ok()?;
    match sign {
        "<" => Some(value < number),
        ">" => Some(value > number),
        "" => Some((value - number).abs() < f64::EPSILON),
        _ => None,
    }
}

/// The table of all workloads: what each has to say at a glance, and the goals.
#[expect(clippy::print_stdout, reason = "it is what a person waits for")]
pub(crate) fn print_summary(lines: &[String]) {
    println!(
        "\n{:<16} {:<46} {:>10} {:<4} {:>8}  met",
        "workload", "figure", "value", "", "goal"
    );
    for line in lines {
        println!("{line}");
    }
}

/// Tells of a workload that could not be run, while others go on.
#[expect(clippy::print_stdout, reason = "it stands where its table would")]
pub(crate) fn print_failure(error: &anyhow::Error) {
    println!("FAILED: {error:#}");
}

/// Times in order, for percentiles.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn of(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<Duration> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }

    /// The time, in milliseconds, within which so many hundredths came (nearest rank).
    pub(crate) fn percentile(&self, hundredths: usize) -> f64 {
        let rank = (self.0.len() * hundredths).div_ceil(100).max(1);
        let found = self.0.get(rank - 1);
        found.map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0)
    }

    /// Adds median, 95th and 99th percentile and the last to the figures.
    pub(crate) fn add_to(&self, outcome: &mut Outcome, what: &str) {
        for hundredths in [50, 95, 99] {
            let name = format!("{what} p{hundredths}");
            outcome.add(name, self.percentile(hundredths), "ms");
        }
        outcome.add(format!("{what} last"), self.percentile(100), "ms");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_by_what_it_says() {
        assert_eq!(is_met(14.9, "< 15"), Some(true));
        assert_eq!(is_met(15.0, "< 15"), Some(false));
        assert_eq!(is_met(95.1, "> 95"), Some(true));
        assert_eq!(is_met(0.0, "0"), Some(true));
        assert_eq!(is_met(1.0, "0"), Some(false));
        assert_eq!(is_met(1.0, "soon"), None);
    }

    #[test]
    fn what_was_not_measured_meets_no_goal() {
        for goal in ["< 15", "> 95", "0"] {
            assert_eq!(is_met(f64::NAN, goal), Some(false));
        }
    }
}
