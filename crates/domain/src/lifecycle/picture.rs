//! Lifecycles as data and as pictures, all made from the one table.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Lifecycle, ProcessDefinition, Request, Step};
use crate::process::Priority;
use crate::{ResourceType, State};

/// A lifecycle as clients read it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Described {
    /// The type of resource.
    pub resource_type: ResourceType,
    /// The state of a resource that was just asked for.
    pub initial: State,
    /// Every state that the type can be in.
    pub states: Vec<State>,
    /// What can be asked.
    pub processes: Vec<DescribedProcess>,
    /// What can be reported.
    pub reports: Vec<DescribedReport>,
}

/// One request of a lifecycle, as clients read it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DescribedProcess {
    /// The request.
    pub name: Request,
    /// The states in which it is allowed.
    pub from: Vec<State>,
    /// The state while it is carried out.
    pub via: State,
    /// The state afterwards.
    pub done: State,
    /// Whether it is allowed in any state when it is forced.
    pub may_be_forced: bool,
    /// Whether it is an action of the resource.
    pub is_action: bool,
    /// What is done, in this order.
    pub steps: Vec<Step>,
    /// How long it may take, in seconds.
    pub deadline_seconds: u64,
    /// How often one step is tried.
    pub attempts: u32,
    /// Whether a failure is followed by undoing what was begun.
    pub is_atomic: bool,
    /// What undoes a process that is atomic, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub undo_steps: Vec<Step>,
    /// How urgent it is.
    pub priority: Priority,
}

/// One report of a lifecycle, as clients read it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DescribedReport {
    /// What is seen.
    pub name: &'static str,
    /// The state in which it changes something.
    pub from: State,
    /// The state that it leads to.
    pub to: State,
}

impl Lifecycle {
    /// The lifecycle as clients read it.
    pub fn describe(&self) -> Described {
        Described {
            resource_type: self.resource_type,
            initial: self.initial,
            states: self.states(),
            processes: self.processes.iter().map(describe_process).collect(),
            reports: self
                .reports
                .iter()
                .map(|definition| DescribedReport {
                    name: definition.report.as_str(),
                    from: definition.from,
                    to: definition.to,
                })
                .collect(),
        }
    }

    /// The lifecycle as a state diagram of Mermaid.
    pub fn mermaid(&self) -> String {
        let mut picture = String::from("stateDiagram-v2\n");
        let mut line = |from: &str, to: &str, label: &str| {
            let label = if label.is_empty() {
                String::new()
            } else {
                format!(" : {label}")
            };
            picture.push_str(&format!("    {from} --> {to}{label}\n"));
        };
        line("[*]", self.initial.as_str(), "");
        for edge in self.edges() {
            line(edge.from.as_str(), edge.to.as_str(), &edge.label);
        }
        picture
    }

    /// The lifecycle as a graph for Graphviz.
    pub fn dot(&self) -> String {
        let mut picture = format!("digraph {} {{\n    rankdir=LR;\n", self.resource_type);
        for state in self.states() {
            let shape = if state.is_transitional() {
                "ellipse"
            } else {
                "box"
            };
            picture.push_str(&format!("    \"{state}\" [shape={shape}];\n"));
        }
        for Edge { from, to, label } in self.edges() {
            let edge = format!("    \"{from}\" -> \"{to}\" [label=\"{label}\"];\n");
            picture.push_str(&edge);
        }
        picture.push_str("}\n");
        picture
    }

    /// What leads from one state to another. Failures, which lead to `error` from every state on the
    /// way, are left out where pictures would drown in them.
    fn edges(&self) -> Vec<Edge> {
        let mut edges = Vec::new();
        for definition in self.processes {
            for from in definition.from {
                if *from != definition.via {
                    let label = definition.request.to_string();
                    edges.push(Edge {
                        from: *from,
                        to: definition.via,
                        label,
                    });
                }
            }
            let label = String::new();
            edges.push(Edge {
                from: definition.via,
                to: definition.done,
                label,
            });
        }
        for definition in self.reports {
            let label = definition.report.as_str().to_owned();
            edges.push(Edge {
                from: definition.from,
                to: definition.to,
                label,
            });
        }
        edges
    }
}

struct Edge {
    from: State,
    to: State,
    label: String,
}

fn describe_process(definition: &ProcessDefinition) -> DescribedProcess {
    DescribedProcess {
        name: definition.request,
        from: definition.from.to_vec(),
        via: definition.via,
        done: definition.done,
        may_be_forced: definition.may_be_forced,
        is_action: definition.is_action,
        steps: definition.steps.to_vec(),
        deadline_seconds: definition.policy.deadline.as_secs(),
        attempts: definition.policy.attempts,
        is_atomic: definition.is_atomic,
        undo_steps: definition.undo_steps().collect(),
        priority: definition.policy.priority,
    }
}

#[cfg(test)]
mod tests {
    use super::super::all;

    #[test]
    fn every_state_of_a_lifecycle_is_in_its_pictures() {
        for lifecycle in all().filter(|lifecycle| !lifecycle.processes.is_empty()) {
            for state in lifecycle.states() {
                assert!(lifecycle.dot().contains(&format!("\"{state}\"")), "{state}");
            }
            assert!(
                lifecycle
                    .mermaid()
                    .starts_with("stateDiagram-v2\n    [*] --> ")
            );
        }
    }

    #[test]
    fn the_picture_of_a_container_shows_what_starts_it() {
        let picture = super::super::of(crate::ResourceType::Container).mermaid();
        assert!(
            picture.contains("    stopped --> starting : start\n"),
            "{picture}"
        );
        assert!(
            picture.contains("    running --> stopped : exited\n"),
            "{picture}"
        );
    }
}
