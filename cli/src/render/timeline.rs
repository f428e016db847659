//! The story of a resource: its processes in order, the steps of each, and where it stands now.

use drover_domain::Timestamp;

use super::escape::escape;
use super::{IdLength, span};
use crate::client::views::{Process, Step};

/// The story of the processes, oldest first.
pub fn timeline(processes: &[Process], now: Timestamp) -> String {
    let mut lines = Vec::new();
    for process in processes {
        lines.push(heading(process, now));
        for step in &process.journal {
            lines.push(step_line(step, now));
            lines.extend(earlier_failures(step));
        }
        if let Some(failure) = &process.undoes
            && process.finished.is_none()
        {
            lines.push(format!(
                "    undoes what it began, after: {}",
                escape(failure)
            ));
        }
        // The step that failed tells the same error in its own line; it is not said twice.
        let mut errors = process.journal.iter().map(|step| step.error.as_ref());
        if let Some(message) = &process.message
            && !errors.any(|error| error == Some(message))
        {
            lines.push(format!("    {}", escape(message)));
        }
    }
    lines.join("\n")
}

/// What the last process comes down to: done, on its way, waiting, or failed and what to do.
pub fn verdict(processes: &[Process], now: Timestamp) -> String {
    let Some(process) = processes.last() else {
        return "Nothing was ever asked of it, or its history is past its retention.".to_owned();
    };
    let name = escape(&process.name);
    match process.phase.as_str() {
        "done" => format!("Its last process, {name}, did what was asked."),
        "failed" => format!(
            "Its last process, {name}, failed: {}",
            escape(process.message.as_deref().unwrap_or("it left no reason"))
        ),
        "canceled" => format!(
            "Its last process, {name}, was canceled: {}",
            escape(process.message.as_deref().unwrap_or("it left no reason"))
        ),
        "waiting" => waiting(process, now),
        "queued" => format!("{name} is accepted; no process server has taken it yet."),
        phase => format!("{name} is {}.", escape(phase)),
    }
}

fn waiting(process: &Process, now: Timestamp) -> String {
    let mut text = format!("{} waits", escape(&process.name));
    if let Some(waiting_on) = &process.waiting_on {
        text.push_str(&format!(" for {}", escape(waiting_on)));
    }
    if let Some(since) = process.waits_since {
        text.push_str(&format!(", since {} ago", span::age(Some(since), now)));
    }
    if let Some(message) = &process.message {
        text.push_str(&format!(": {}", escape(message)));
    }
    text.push('.');
    if let Some(moment) = process.run_after.filter(|moment| *moment > now) {
        text.push_str(&format!(
            " It looks again in {}.",
            span::age(Some(now), moment)
        ));
    }
    if let Some(moment) = process.deadline.filter(|moment| *moment > now) {
        text.push_str(&format!(
            " It gives up in {}.",
            span::age(Some(now), moment)
        ));
    }
    text
}

fn heading(process: &Process, now: Timestamp) -> String {
    let parent = match &process.parent_id {
        Some(parent) => format!(", part of {}", IdLength::Short.of(&escape(parent))),
        None => String::new(),
    };
    format!(
        "{}  {} {} {}  {}{parent}",
        span::time_of_day(process.created),
        escape(&process.name),
        escape(&process.phase),
        match process.finished {
            Some(_) => format!("after {}", span::length(process.created, process.finished)),
            None => format!("for {}", span::age(process.created, now)),
        },
        IdLength::Short.of(&escape(&process.id)),
    )
}

/// The tries before the last one, whose error stands in the line of the step.
fn earlier_failures(step: &Step) -> impl Iterator<Item = String> {
    let told = usize::from(step.error.is_some());
    let earlier = step.failures.len().saturating_sub(told);
    step.failures.iter().take(earlier).map(|failure| {
        let at = span::time_of_day(failure.at);
        format!("      {at}  {}", escape(&failure.error))
    })
}

fn step_line(step: &Step, now: Timestamp) -> String {
    let mark = if step.finished.is_some() { "+" } else { ">" };
    let mut line = match step.finished {
        Some(_) => format!(
            "  {mark} {}  {}",
            escape(&step.step),
            span::length(step.started, step.finished)
        ),
        None => format!(
            "  {mark} {}  begun {} ago",
            escape(&step.step),
            span::age(step.started, now)
        ),
    };
    if step.attempts > 0 {
        line.push_str(&format!(", {}", span::failures(step.attempts)));
    }
    if let Some(error) = &step.error {
        line.push_str(&format!(": {}", escape(error)));
    }
    line
}
