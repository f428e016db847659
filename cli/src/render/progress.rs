//! What is told while work is on its way: a turning line for a person, a line for each change
//! for a log, both on standard error.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::escape::escape;
use crate::terminal::Terminal;

/// Tells how far the work on one resource is.
pub struct Progress {
    subject: String,
    form: Form,
}

enum Form {
    Spinner(ProgressBar),
    Lines { terminal: Terminal, last: String },
}

impl Progress {
    /// Begins to tell of `subject`, the name of a resource.
    pub fn new(terminal: &Terminal, subject: &str) -> Self {
        let form = if terminal.errors_are_terminal() {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            Form::Spinner(bar)
        } else {
            Form::Lines {
                terminal: *terminal,
                last: String::new(),
            }
        };
        Self {
            subject: escape(subject),
            form,
        }
    }

    /// Tells what happens now; the same sentence again is not repeated.
    pub fn show(&mut self, sentence: &str) {
        let text = format!("{}: {}", self.subject, escape(sentence));
        match &mut self.form {
            Form::Spinner(bar) => bar.set_message(text),
            Form::Lines { terminal, last } if *last != text => {
                terminal.note(&text);
                *last = text;
            }
            Form::Lines { .. } => {}
        }
    }

    /// Takes the turning line away.
    pub fn clear(&mut self) {
        if let Form::Spinner(bar) = &self.form {
            bar.finish_and_clear();
        }
    }
}
