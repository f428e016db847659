//! Facts about whole command lines.

use clap::CommandFactory;

use super::{Arguments, Command};

fn parse(line: &[&str]) -> Result<Arguments, clap::Error> {
    Arguments::from_command_line(std::iter::once(&"drover").chain(line).copied())
}

#[test]
fn the_definition_of_the_command_line_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn flags_may_follow_the_image_and_the_command_follows_two_dashes() {
    let line = ["run", "busybox", "--name", "web", "--", "sleep", "--help"];
    let Command::Run(run) = parse(&line).unwrap().command else {
        panic!("not a run");
    };
    assert_eq!(run.image, "busybox");
    assert_eq!(run.name.as_deref(), Some("web"));
    assert_eq!(run.command, ["sleep", "--help"]);
}

#[test]
fn a_key_on_the_command_line_is_refused_without_repeating_it() {
    let error = parse(&["--api-key", "drv_1_hush", "ps"]).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("--api-key-file"));
    assert!(!error.to_string().contains("hush"));
}

#[test]
fn the_debug_form_of_the_arguments_hides_the_key() {
    let mut arguments = parse(&["ps"]).unwrap();
    arguments.connection.api_key = Some("drv_1_hush".to_owned());
    assert!(!format!("{arguments:?}").contains("hush"));
}

#[test]
fn a_value_that_cannot_be_read_is_wrong_usage_and_says_what_to_type() {
    let error = parse(&["run", "busybox", "-e", "PATH"]).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("PATH=VALUE"));
}

#[test]
fn a_phase_that_does_not_exist_is_refused() {
    assert!(parse(&["processes", "--phase", "waiting"]).is_ok());
    assert!(parse(&["processes", "--phase", "sleeping"]).is_err());
}

#[test]
fn a_detached_removal_cannot_purge() {
    assert!(parse(&["rm", "web", "--purge", "--detach"]).is_err());
}

#[test]
fn the_letters_of_exec_go_together_and_its_command_follows_two_dashes() {
    let Command::Exec(exec) = parse(&["exec", "-it", "web", "--", "sh", "-c", "ls"])
        .unwrap()
        .command
    else {
        panic!("not an exec");
    };
    assert!(exec.interactive && exec.tty);
    assert_eq!(exec.command, ["sh", "-c", "ls"]);
    assert!(parse(&["exec", "web"]).is_err());
}
