//! What was found out.

use std::fmt;

/// What was seen of a rule, or what speaks against it, for whoever writes the agent.
pub(crate) type Verdict<T = ()> = Result<T, String>;

/// One rule, and whether it holds.
#[derive(Clone, Debug)]
pub struct Fact {
    /// The rule.
    pub name: &'static str,
    /// What speaks against it, if anything does.
    pub objection: Option<String>,
}

impl fmt::Display for Fact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.objection {
            None => write!(formatter, "ok      {}", self.name),
            Some(objection) => write!(formatter, "not ok  {}: {objection}", self.name),
        }
    }
}

/// All that was found out, in order.
#[derive(Debug, Default)]
pub struct Facts {
    facts: Vec<Fact>,
}

impl Facts {
    /// Writes down a rule.
    pub(crate) fn note(&mut self, name: &'static str, verdict: Verdict) -> &Fact {
        let objection = verdict.err();
        self.facts.push(Fact { name, objection });
        &self.facts[self.facts.len() - 1]
    }

    /// Whether every rule holds.
    pub fn hold(&self) -> bool {
        self.objections().next().is_none()
    }

    /// The rules that do not hold.
    pub fn objections(&self) -> impl Iterator<Item = &Fact> {
        self.facts.iter().filter(|fact| fact.objection.is_some())
    }

    /// How many rules were tried.
    pub fn count(&self) -> usize {
        self.facts.len()
    }
}
