//! What an agent says is looked at here before anybody believes it.
//!
//! Who speaks is known: the credential was shown, and what is said is marked with that host. Left to
//! look at is what is said: that a reply tells of the container that was asked about, and that no
//! text is longer than anything honest, or would make a terminal do something when a person reads it.

use drover_domain::resource::HostFacts;
use drover_proto::v1::{Envelope, Inventory, Reply, Report, SeenContainer, reply, report};

use crate::offences::Offence;

/// The longest name of anything, in bytes.
const NAME: usize = 256;
/// The longest text in the words of a runtime, in bytes. A longer one is cut.
const WORDS: usize = 4 * 1024;
/// The most ports of a container.
const PORTS: usize = 4_096;

/// Looks at a reply to what was asked, if it was asked, and makes its words harmless.
pub(crate) fn check_reply(reply: &mut Reply, asked: Option<&Envelope>) -> Result<(), Offence> {
    match &mut reply.result {
        Some(reply::Result::Container(seen)) => {
            let asked = asked.and_then(|asked| asked.resource.as_ref());
            if asked.is_some_and(|asked| asked.id != seen.container_id) {
                return Err(Offence::ForeignContainer);
            }
            check_container(seen)
        }
        Some(reply::Result::Volume(seen)) => {
            let asked = asked.and_then(|asked| asked.resource.as_ref());
            if asked.is_some_and(|asked| asked.id != seen.volume_id) {
                return Err(Offence::ForeignContainer);
            }
            let is_sound = is_name(&seen.volume_id) && is_name(&seen.runtime_id);
            is_sound.then_some(()).ok_or(Offence::Unsound)
        }
        Some(reply::Result::Image(seen)) => {
            let asked = asked.and_then(|asked| asked.resource.as_ref());
            if asked.is_some_and(|asked| asked.id != seen.image_id) {
                return Err(Offence::ForeignContainer);
            }
            let is_sound = is_name(&seen.image_id) && is_name(&seen.runtime_id);
            is_sound.then_some(()).ok_or(Offence::Unsound)
        }
        Some(reply::Result::Inventory(inventory)) => check_inventory(inventory),
        Some(reply::Result::Failure(failure)) => {
            make_harmless(&mut failure.message);
            Ok(())
        }
        Some(reply::Result::Progress(progress)) => {
            make_harmless(&mut progress.message);
            Ok(())
        }
        Some(reply::Result::HostStats(stats)) => {
            let loads = [stats.load_1, stats.load_5, stats.load_15];
            let is_sound = loads.iter().all(|load| load.is_finite() && *load >= 0.0);
            is_sound.then_some(()).ok_or(Offence::Unsound)
        }
        Some(
            reply::Result::Pong(_)
            | reply::Result::StreamOpened(_)
            | reply::Result::CredentialKept(_),
        ) => Ok(()),
        None => Err(Offence::Unsound),
    }
}

/// Looks at a report.
pub(crate) fn check_report(report: &Report) -> Result<(), Offence> {
    if !is_name(&report.id) || report.id.is_empty() {
        return Err(Offence::Unsound);
    }
    match &report.what {
        Some(report::What::Container(seen)) => check_container(seen),
        Some(report::What::Inventory(inventory)) => check_inventory(inventory),
        None => Err(Offence::Unsound),
    }
}

/// How much work a report makes for whoever settles it, compared with one container.
pub(crate) fn weight(report: &Report) -> usize {
    match &report.what {
        Some(report::What::Inventory(inventory)) => 1 + inventory.containers.len() / 4,
        _ => 1,
    }
}

/// Looks at what a host says of itself.
///
/// # Errors
/// The field that is not sound.
pub(crate) fn check_facts(facts: &HostFacts) -> Result<(), &'static str> {
    for (field, text) in [
        ("hostname", &facts.hostname),
        ("operatingSystem", &facts.operating_system),
        ("kernel", &facts.kernel),
        ("architecture", &facts.architecture),
        ("runtime", &facts.runtime),
        ("runtimeVersion", &facts.runtime_version),
        ("storageDriver", &facts.storage_driver),
        ("agentVersion", &facts.agent_version),
    ] {
        if !is_name(text) {
            return Err(field);
        }
    }
    Ok(())
}

fn check_inventory(inventory: &Inventory) -> Result<(), Offence> {
    if let Some(facts) = &inventory.facts {
        check_facts(&facts.clone().into()).map_err(|_| Offence::Unsound)?;
    }
    inventory.containers.iter().try_for_each(check_container)
}

fn check_container(seen: &SeenContainer) -> Result<(), Offence> {
    let is_sound = is_name(&seen.container_id)
        && is_name(&seen.runtime_id)
        && is_name(&seen.address)
        && seen.bound_ports.len() <= PORTS;
    is_sound.then_some(()).ok_or(Offence::Unsound)
}

fn is_name(text: &str) -> bool {
    text.len() <= NAME && !text.contains(char::is_control)
}

/// Cuts a text, and takes out what a terminal would act on; lines stay lines.
fn make_harmless(text: &mut String) {
    if text.len() > WORDS {
        text.truncate(text.floor_char_boundary(WORDS));
        text.push('…');
    }
    let acts = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    if text.contains(acts) {
        *text = text.replace(acts, "\u{fffd}");
    }
}

#[cfg(test)]
mod tests {
    use drover_proto::v1::{Failure, Resource};

    use super::*;

    fn seen(id: &str, runtime_id: &str) -> SeenContainer {
        SeenContainer {
            container_id: id.to_owned(),
            runtime_id: runtime_id.to_owned(),
            ..SeenContainer::default()
        }
    }

    fn asked(id: &str) -> Envelope {
        Envelope {
            resource: Some(Resource {
                r#type: "container".into(),
                id: id.to_owned(),
            }),
            ..Envelope::default()
        }
    }

    fn reply(result: reply::Result) -> Reply {
        Reply {
            command_id: "c".into(),
            result: Some(result),
        }
    }

    #[test]
    fn a_reply_tells_of_the_container_that_was_asked_about() {
        let mut right = reply(reply::Result::Container(seen("1", "r")));
        assert_eq!(check_reply(&mut right, Some(&asked("1"))), Ok(()));
        assert_eq!(
            check_reply(&mut right, Some(&asked("2"))),
            Err(Offence::ForeignContainer)
        );
    }

    #[test]
    fn names_with_control_characters_or_without_end_are_refused() {
        for runtime_id in ["a\u{1b}[2J", &"x".repeat(300), "a\u{9b}b"] {
            let report = Report {
                id: "r".into(),
                what: Some(report::What::Container(seen("1", runtime_id))),
            };
            assert_eq!(check_report(&report), Err(Offence::Unsound));
        }
        let facts = HostFacts {
            kernel: "6.1\u{7}".into(),
            ..HostFacts::default()
        };
        assert_eq!(check_facts(&facts), Err("kernel"));
    }

    #[test]
    fn the_words_of_a_runtime_are_cut_and_made_harmless() {
        let message = format!("no\u{1b}[31m\nline{}", "é".repeat(WORDS));
        let failure = Failure { code: 5, message };
        let mut reply = reply(reply::Result::Failure(failure));
        assert_eq!(check_reply(&mut reply, None), Ok(()));
        let Some(reply::Result::Failure(failure)) = reply.result else {
            panic!("no failure any more");
        };
        assert!(failure.message.starts_with("no\u{fffd}[31m\nline"));
        assert!(failure.message.len() < WORDS + 16);
    }
}
