//! The command line client, from the first `run` to the last `rm`.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::facts;
use crate::installation::Drover;

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        a_container_is_led_through_its_life_from_the_command_line,
        what_went_wrong_is_said_and_told_by_the_exit_code,
    ]
    .hold()
    .await;
}

async fn a_container_is_led_through_its_life_from_the_command_line(drover: &Drover) -> Result<()> {
    let (label, value) = drover.label();
    let label = format!("{label}={value}");
    let run = ["run", "drover/hello", "--name", "led", "--label", &label];
    let run = run
        .into_iter()
        .chain(["--env", "A=b", "--publish", "80", "--memory", "32m"]);
    let run: Vec<&str> = run
        .chain(["--output", "json", "--", "sleep", "60"])
        .collect();
    let made = json(drover, &run).await?;
    ensure!(
        made["state"] == "running" && made["command"][1] == "60" && made["environment"]["A"] == "b",
        "run says {made}"
    );
    let id = made["id"].as_str().context("an id")?;

    let listed = json(drover, &["ps", "--output", "json"]).await?;
    let listed = listed.as_array().context("ps gives a list")?;
    ensure!(
        listed.iter().any(|other| other["id"] == id),
        "ps does not list it: {listed:?}"
    );
    let table = drover.command(&["ps"]).await?;
    ensure!(
        table.contains("led") && table.contains("running"),
        "ps shows {table}"
    );

    let inspected = json(drover, &["inspect", "led", "--output", "json"]).await?;
    ensure!(inspected["id"] == id, "inspect says {inspected}");
    for (command, state) in [
        ("stop", "stopped"),
        ("start", "running"),
        ("restart", "running"),
    ] {
        let done = json(drover, &[command, "led", "--output", "json"]).await?;
        ensure!(
            done["state"] == state,
            "{command} ends with {}",
            done["state"]
        );
    }

    let processes = ["processes", "--resource", "led", "--output", "json"];
    let processes = json(drover, &processes).await?;
    let processes = processes.as_array().context("processes gives a list")?;
    let names: Vec<&str> = processes
        .iter()
        .filter_map(|process| process["name"].as_str())
        .collect();
    for name in ["create", "start", "stop", "restart"] {
        ensure!(names.contains(&name), "processes lists {names:?}");
    }
    ensure!(
        processes.iter().all(|process| process["phase"] == "done"),
        "{processes:?}"
    );
    let hosts = json(drover, &["hosts", "--output", "json"]).await?;
    let hosts = hosts.as_array().context("hosts gives a list")?;
    ensure!(
        !hosts.is_empty() && hosts.iter().all(|host| host["state"] == "active"),
        "hosts lists {hosts:?}"
    );

    let removed = json(drover, &["rm", "led", "--output", "json"]).await?;
    ensure!(
        removed["state"] == "removed",
        "rm ends with {}",
        removed["state"]
    );
    let table = drover.command(&["ps"]).await?;
    ensure!(!table.contains(" led "), "ps still shows it: {table}");
    drover.command(&["rm", "--purge", id]).await?;
    drover
        .api
        .get(&format!("/v1/containers/{id}"))
        .await?
        .problem(404, "notFound")
        .map(drop)
}

async fn what_went_wrong_is_said_and_told_by_the_exit_code(drover: &Drover) -> Result<()> {
    let (label, value) = drover.label();
    let label = format!("{label}={value}");
    let run = [
        "run",
        "drover/hello",
        "--name",
        "hungry",
        "--label",
        &label,
        "--memory",
        "4000g",
    ];
    fails(drover, &run, 1, "too little memory left").await?;
    fails(drover, &["start", "nobody"], 1, "nobody").await?;
    fails(drover, &["run"], 2, "IMAGE").await?;
    let server = ["--server", "http://127.0.0.1:9", "ps"];
    let other: Vec<&str> = server.into_iter().collect();
    let program = drover.program("drover", "drover")?.arguments(other);
    let program = program.environment("DROVER_API_KEY", "drv_x_y");
    let refused = crate::process::output(program, std::time::Duration::from_secs(20)).await;
    let said = refused
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    ensure!(
        said.contains("exit status: 3") && said.contains("cannot reach"),
        "it says {said}"
    );
    Ok(())
}

async fn json(drover: &Drover, arguments: &[&str]) -> Result<Value> {
    let printed = drover.command(arguments).await?;
    serde_json::from_str(&printed).with_context(|| format!("{arguments:?} prints {printed}"))
}

/// A command that fails, with an exit code and words on standard error.
async fn fails(drover: &Drover, arguments: &[&str], code: u8, words: &str) -> Result<()> {
    let failed = drover.command(arguments).await;
    let said = failed.err().map(|error| error.to_string());
    let said = said.with_context(|| format!("{arguments:?} succeeds"))?;
    ensure!(
        said.contains(&format!("exit status: {code}")),
        "{arguments:?}: {said}"
    );
    ensure!(
        said.contains(words),
        "{arguments:?} does not say `{words}`: {said}"
    );
    Ok(())
}
