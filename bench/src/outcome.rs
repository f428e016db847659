//! What a workload found, as a table for people and as JSON for machines.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};

use crate::machine;

/// What a workload found.
#[derive(Debug)]
pub(crate) struct Outcome {
    name: &'static str,
    parameters: Value,
    figures: Vec<Figure>,
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
}

impl Outcome {
    /// Nothing yet; made when the workload begins.
    pub(crate) fn of(name: &'static str, parameters: Value) -> Self {
        Self {
            name,
            parameters,
            figures: Vec::new(),
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
        });
    }

    /// Adds a number that has a goal.
    pub(crate) fn add_with_goal(
        &mut self,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        goal: &'static str,
    ) {
        self.add(name, value, unit);
        if let Some(figure) = self.figures.last_mut() {
            figure.goal = Some(goal);
        }
    }

    /// Puts the figures of another before its own.
    pub(crate) fn put_before(&mut self, head: Self) {
        let mut figures = head.figures;
        figures.append(&mut self.figures);
        self.figures = figures;
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
    }
}

/// Tells of a workload that could not be run, while others go on.
#[expect(clippy::print_stdout, reason = "it stands where its table would")]
pub(crate) fn print_failure(error: &anyhow::Error) {
    println!("FAILED: {error:#}");
}

fn rounded(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
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
