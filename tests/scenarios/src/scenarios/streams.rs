//! Streams: what containers write, commands inside them, what they use; through to their hosts.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use reqwest::header::ACCEPT;
use serde_json::{Value, json};

use super::SOON;
use super::people::{account, client, holder, key, membership, somebody};
use crate::facts;
use crate::installation::{Api, Drover, id_of, send};
use crate::stream::Stream;

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        a_log_is_read_whole_in_part_and_since_a_moment,
        a_log_is_followed_until_the_container_ends,
        a_line_of_ten_megabytes_is_a_line,
        a_command_reads_writes_and_ends_with_its_code,
        a_terminal_has_its_size,
        what_a_container_uses_is_told_once_and_live,
        a_stream_of_what_is_not_there_is_refused_with_a_reason,
        a_viewer_reads_and_runs_nothing_and_another_project_does_not_exist,
        a_command_leaves_a_row_in_the_audit_log,
        a_stream_ends_with_its_key,
        a_reader_that_stops_stops_nobody_else,
        a_container_says_which_streams_it_has,
        logs_commands_and_stats_are_had_from_the_command_line,
    ]
    .hold()
    .await;
}

async fn text(api: &Api, path: &str) -> Result<String> {
    let answer = api.request(Method::GET, path).send().await?;
    let status = answer.status();
    let form = answer.headers()["content-type"].to_str()?.to_owned();
    let text = answer.text().await.context("the answer broke off")?;
    ensure!(status == 200, "{path} is {status}: {text}");
    ensure!(form.starts_with("text/plain"), "{path} is {form}");
    Ok(text)
}

async fn lines(api: &Api, path: &str) -> Result<Vec<Value>> {
    let request = api.request(Method::GET, path);
    let answer = request
        .header(ACCEPT, "application/x-ndjson")
        .send()
        .await?;
    let answer = answer.error_for_status()?;
    ensure!(answer.headers()["content-type"] == "application/x-ndjson");
    let text = answer.text().await?;
    let lines = text.lines().map(|line| Ok(serde_json::from_str(line)?));
    lines.collect()
}

async fn running(drover: &Drover, labels: Value) -> Result<String> {
    let mut fields = json!({ "name": "streamed" });
    fields["labels"] = labels;
    drover.run(fields, SOON).await
}

async fn a_log_is_read_whole_in_part_and_since_a_moment(drover: &Drover) -> Result<()> {
    let id = running(drover, json!({ "sim.log-lines": "12" })).await?;
    let logs = format!("/v1/containers/{id}/logs");
    let whole = text(&drover.api, &logs).await?;
    let expected: String = (1..=12).map(|line| format!("line {line}\n")).collect();
    ensure!(whole == expected, "the log is {whole:?}");
    let tail = text(&drover.api, &format!("{logs}?tail=2")).await?;
    ensure!(tail == "line 11\nline 12\n", "the end is {tail:?}");
    let none = text(&drover.api, &format!("{logs}?tail=0")).await?;
    ensure!(none.is_empty(), "no line is {none:?}");
    let errors = text(&drover.api, &format!("{logs}?stdout=false")).await?;
    ensure!(errors == "line 5\nline 10\n", "stderr is {errors:?}");
    let timed = text(&drover.api, &format!("{logs}?timestamps=true&tail=1")).await?;
    let (moment, line) = timed.split_once(' ').context("a moment")?;
    ensure!(line == "line 12\n" && moment.ends_with('Z'), "{timed:?}");

    let lines = lines(&drover.api, &logs).await?;
    ensure!(lines.len() == 12, "{lines:?}");
    ensure!(
        lines[4]["stream"] == "stderr" && lines[4]["line"] == "line 5",
        "{}",
        lines[4]
    );
    ensure!(
        lines[0]["stream"] == "stdout" && lines[0]["time"] == moment,
        "{}",
        lines[0]
    );
    let since = text(&drover.api, &format!("{logs}?since={moment}")).await?;
    ensure!(since == expected, "since its start: {since:?}");
    let since = text(&drover.api, &format!("{logs}?since=2999-01-01T00:00:00Z")).await?;
    ensure!(since.is_empty(), "since what is to come: {since:?}");

    for query in [
        "tail=x",
        "tail=9999999",
        "since=yesterday",
        "follow=maybe",
        "lines=5",
    ] {
        let refused = drover.api.get(&format!("{logs}?{query}")).await?;
        refused
            .problem(400, "query")
            .with_context(|| query.to_owned())?;
    }
    let other = drover.api.request(Method::GET, &logs);
    let refused = send(other.header(ACCEPT, "image/png")).await?;
    refused.problem(406, "notAcceptable")?;
    Ok(())
}

async fn a_log_is_followed_until_the_container_ends(drover: &Drover) -> Result<()> {
    let labels = json!({
        "sim.log-lines": "2", "sim.log-every": "200ms", "sim.exit-after": "3s",
    });
    let id = running(drover, labels).await?;
    let logs = format!("/v1/containers/{id}/logs?follow=true");
    let (text, stream) = tokio::join!(text(&drover.api, &logs), async {
        Stream::open(&drover.api, &logs).await?.rest().await
    });
    let (text, told) = (text?, stream?);
    let first: Vec<&str> = text.lines().take(4).collect();
    ensure!(
        first == ["line 1", "line 2", "line 3", "line 4"],
        "{first:?}"
    );
    let last: usize = text.lines().count();
    ensure!(last >= 10, "it has {last} lines");
    ensure!(told.closed == Some(1000), "{told:?}");
    ensure!(told.stderr.starts_with("line 5\nline 10\n"), "{told:?}");
    ensure!(
        told.stdout.contains("line 11\n") && told.control.is_empty(),
        "{told:?}"
    );
    // It can be read when the container has ended, too.
    drover.wait_for_state(&id, "stopped", SOON).await?;
    let again = self::text(&drover.api, &logs).await?;
    ensure!(again.lines().count() >= last, "{again}");
    Ok(())
}

async fn a_line_of_ten_megabytes_is_a_line(drover: &Drover) -> Result<()> {
    let id = running(drover, json!({ "sim.log-bytes": "10000000" })).await?;
    let logs = format!("/v1/containers/{id}/logs");
    let whole = text(&drover.api, &logs).await?;
    ensure!(whole.len() == 10_000_001 && whole.lines().count() == 1);
    let parts = lines(&drover.api, &logs).await?;
    let length = |part: &Value| part["line"].as_str().map_or(0, str::len);
    ensure!(parts.iter().map(length).sum::<usize>() > 9_999_000);
    let (last, rest) = parts.split_last().context("no parts")?;
    ensure!(
        rest.iter()
            .all(|part| part["partial"] == true && length(part) <= 64 * 1024)
    );
    ensure!(last["partial"].is_null(), "the last part goes on");
    Ok(())
}

async fn a_command_reads_writes_and_ends_with_its_code(drover: &Drover) -> Result<()> {
    let id = running(drover, json!({})).await?;
    let exec = format!("/v1/containers/{id}/exec");
    let open = async |query: &str| Stream::open(&drover.api, &format!("{exec}?{query}")).await;
    let told = open("command=echo&command=a%20b&command=c")
        .await?
        .rest()
        .await?;
    ensure!(
        told.stdout == "a b c\n" && told.stderr.is_empty(),
        "{told:?}"
    );
    ensure!(
        told.control == [json!({ "exit": { "code": 0 } })],
        "{told:?}"
    );
    ensure!(told.closed == Some(1000), "{told:?}");
    let told = open("command=fail&command=oops").await?.rest().await?;
    ensure!(told.stderr == "oops\n" && told.control == [json!({ "exit": { "code": 1 } })]);
    let told = open("command=exit&command=42").await?.rest().await?;
    ensure!(
        told.control == [json!({ "exit": { "code": 42 } })],
        "{told:?}"
    );
    let query = "command=env&environment=A=b=c&user=1000&workingDir=/tmp";
    let told = open(query).await?.rest().await?;
    ensure!(told.stdout == "A=b=c\nUSER=1000\nPWD=/tmp\n", "{told:?}");

    let mut cat = open("command=cat&stdin=true").await?;
    for word in ["one ", "two"] {
        cat.say(0, word.as_bytes()).await?;
        let (channel, content) = cat.next().await?;
        ensure!(channel == 1 && content == word.as_bytes());
    }
    cat.control(&json!({ "stdinClosed": true })).await?;
    let told = cat.rest().await?;
    ensure!(
        told.control == [json!({ "exit": { "code": 0 } })],
        "{told:?}"
    );

    let plain = drover.api.get(&format!("{exec}?command=ls")).await?;
    let upgrade = plain.header("upgrade").to_owned();
    plain.problem(426, "upgradeRequired")?;
    ensure!(upgrade == "websocket", "it says {upgrade:?}");
    for query in [
        "",
        "command=",
        "command=ls&shell=1",
        "command=ls&workingDir=tmp",
    ] {
        let refused = drover.api.get(&format!("{exec}?{query}")).await?;
        refused
            .problem(400, "query")
            .with_context(|| query.to_owned())?;
    }
    Ok(())
}

async fn a_terminal_has_its_size(drover: &Drover) -> Result<()> {
    let id = running(drover, json!({})).await?;
    let query = "command=size&tty=true&stdin=true&width=101&height=31";
    let path = format!("/v1/containers/{id}/exec?{query}");
    let mut stream = Stream::open(&drover.api, &path).await?;
    ensure!(stream.next().await? == (1, b"101x31\n".to_vec()));
    let resize = json!({ "resize": { "width": 80, "height": 24 } });
    stream.control(&resize).await?;
    ensure!(stream.next().await? == (1, b"80x24\n".to_vec()));
    stream.control(&json!({ "later": true })).await?;
    stream.control(&json!({ "stdinClosed": true })).await?;
    let told = stream.rest().await?;
    ensure!(
        told.control == [json!({ "exit": { "code": 0 } })],
        "{told:?}"
    );
    Ok(())
}

async fn what_a_container_uses_is_told_once_and_live(drover: &Drover) -> Result<()> {
    let id = running(drover, json!({ "sim.exit-after": "4s" })).await?;
    let stats = format!("/v1/containers/{id}/stats");
    let (once, stream, lines) = tokio::join!(
        async { drover.api.get(&stats).await?.expect(200) },
        async { Stream::open(&drover.api, &stats).await?.rest().await },
        lines(&drover.api, &stats)
    );
    let (once, told, lines) = (once?, stream?, lines?);
    for field in [
        "cpuMillis",
        "memoryBytes",
        "memoryLimitBytes",
        "processes",
        "diskReadBytes",
    ] {
        ensure!(once[field].is_u64(), "no `{field}`: {once}");
    }
    ensure!(once["time"].is_string(), "{once}");
    let told: Vec<&Value> = told
        .control
        .iter()
        .map(|control| &control["stats"])
        .collect();
    ensure!(told.len() >= 2 && lines.len() >= 2, "{told:?}, {lines:?}");
    ensure!(
        told.into_iter()
            .chain(&lines)
            .all(|usage| usage["memoryBytes"].is_u64())
    );
    drover.wait_for_state(&id, "stopped", SOON).await?;
    drover
        .api
        .get(&stats)
        .await?
        .problem(409, "container.notRunning")?;
    let exec = Stream::open(&drover.api, &format!("/v1/containers/{id}/exec?command=ls")).await;
    let refused = exec
        .err()
        .context("a command in a container that has ended")?;
    ensure!(refused.to_string().starts_with("409"), "{refused:#}");

    let id = running(drover, json!({ "sim.exit-after": "4s" })).await?;
    let stats = format!("/v1/containers/{id}/stats");
    let request = drover.api.request(Method::GET, &stats);
    let answer = request.header(ACCEPT, "text/event-stream").send().await?;
    let events = answer.text().await?;
    ensure!(
        events.starts_with("event: stats\ndata: {\"time\":"),
        "{events}"
    );
    Ok(())
}

async fn a_stream_of_what_is_not_there_is_refused_with_a_reason(drover: &Drover) -> Result<()> {
    let nowhere = json!({ "placement": { "near": [{ "containers": "app=nobody" }] } });
    let id = drover.create(nowhere).await?;
    let logs = drover.api.get(&format!("/v1/containers/{id}/logs")).await?;
    logs.problem(409, "container.notOnHost")?;
    let made_up = "/v1/containers/01890000-0000-7000-8000-000000000000/logs";
    drover.api.get(made_up).await?.problem(404, "notFound")?;
    let id = running(drover, json!({})).await?;
    let path = format!("/v1/containers/{id}");
    drover.api.delete(&path).await?.expect(202)?;
    drover.wait_for_state(&id, "removed", SOON).await?;
    let logs = drover.api.get(&format!("{path}/logs")).await?;
    logs.problem(409, "container.notOnHost")?;
    Ok(())
}

async fn a_viewer_reads_and_runs_nothing_and_another_project_does_not_exist(
    drover: &Drover,
) -> Result<()> {
    let (project, viewer) = somebody(drover, "streams", "viewer").await?;
    let id = drover.run(json!({ "projectId": project }), SOON).await?;
    let path = format!("/v1/containers/{id}");
    ensure!(text(&viewer, &format!("{path}/logs")).await? == "line 1\n");
    viewer.get(&format!("{path}/stats")).await?.expect(200)?;
    let exec = format!("{path}/exec?command=ls");
    viewer.get(&exec).await?.problem(403, "role")?;
    let refused = Stream::open(&viewer, &exec).await.err();
    let refused = refused.context("a viewer runs a command")?.to_string();
    ensure!(refused.starts_with("403"), "{refused}");
    let account = account(drover, "streams-member", membership(&project, "member")).await?;
    let member = json!({ "accountId": account, "projectId": project, "role": "member" });
    let member = client(drover, &member).await?;
    let told = Stream::open(&member, &exec).await?.rest().await?;
    ensure!(told.closed == Some(1000), "{told:?}");

    let (_, stranger) = somebody(drover, "streams-elsewhere", "member").await?;
    for stream in ["logs", "stats", "exec?command=ls"] {
        let nothing = stranger.get(&format!("{path}/{stream}")).await?;
        nothing.problem(404, "notFound").context(stream)?;
    }
    let nobody = drover.api.without_key(Method::GET, &format!("{path}/logs"));
    send(nobody).await?.problem(401, "unauthorized")?;
    Ok(())
}

async fn a_command_leaves_a_row_in_the_audit_log(drover: &Drover) -> Result<()> {
    let id = running(drover, json!({})).await?;
    let path = format!("/v1/containers/{id}");
    let exec = format!("{path}/exec?command=echo&command=secret");
    Stream::open(&drover.api, &exec).await?.rest().await?;
    text(&drover.api, &format!("{path}/logs")).await?;
    drover.api.get(&format!("{path}/exec?command=ls")).await?;
    let rows = drover
        .api
        .list(&format!("/v1/auditLogs?resourceId={id}"))
        .await?;
    let rows: Vec<(&str, u64)> = rows
        .iter()
        .filter_map(|row| Some((row["operation"].as_str()?, row["status"].as_u64()?)))
        .collect();
    let expected = [
        ("container.exec", 426),
        ("container.exec", 101),
        ("container.create", 202),
    ];
    ensure!(rows == expected, "the rows are {rows:?}");
    Ok(())
}

async fn a_stream_ends_with_its_key(drover: &Drover) -> Result<()> {
    let (project, _) = somebody(drover, "streams-key", "member").await?;
    let accounts = drover.api.list("/v1/accounts?name=streams-key").await?;
    let account = id_of(accounts.first().context("the account")?)?;
    let fields = json!({ "accountId": account, "projectId": project, "role": "member" });
    let made = key(&drover.api, &fields).await?;
    let id = drover.run(json!({ "projectId": project }), SOON).await?;
    let exec = format!("/v1/containers/{id}/exec?command=cat&stdin=true");
    let mut stream = Stream::open(&holder(drover, &made)?, &exec).await?;
    stream.say(0, b"x").await?;
    ensure!(stream.next().await? == (1, b"x".to_vec()));
    let path = format!("/v1/apiKeys/{}", id_of(&made)?);
    drover.api.delete(&path).await?.expect(204)?;
    // It is looked at twice a minute.
    let (_, content) = stream.next_within(SOON * 3).await?;
    let control: Value = serde_json::from_slice(&content)?;
    ensure!(control["error"]["code"] == "stream.revoked", "{control}");
    Ok(())
}

async fn a_reader_that_stops_stops_nobody_else(drover: &Drover) -> Result<()> {
    let id = running(drover, json!({})).await?;
    let exec = format!("/v1/containers/{id}/exec");
    // Ten that are not read, and what they run writes without end.
    let mut stalled = Vec::new();
    for _ in 0..10 {
        stalled.push(Stream::open(&drover.api, &format!("{exec}?command=yes")).await?);
    }
    let began = std::time::Instant::now();
    for _ in 0..10 {
        let echo = format!("{exec}?command=echo&command=x");
        let told = Stream::open(&drover.api, &echo).await?.rest().await?;
        ensure!(told.stdout == "x\n", "{told:?}");
        drover
            .api
            .get(&format!("/v1/containers/{id}"))
            .await?
            .expect(200)?;
    }
    ensure!(began.elapsed() < SOON, "it took {:?}", began.elapsed());
    drover.act_until(&id, "stop", "stopped", SOON).await?;
    Ok(())
}

async fn a_container_says_which_streams_it_has(drover: &Drover) -> Result<()> {
    let (project, viewer) = somebody(drover, "linked", "viewer").await?;
    let id = drover.run(json!({ "projectId": project }), SOON).await?;
    let path = format!("/v1/containers/{id}");
    let has = async |api: &Api| -> Result<Vec<bool>> {
        let links = api.get(&path).await?.expect(200)?["links"].clone();
        let names = ["logs", "stats", "exec"];
        Ok(names
            .map(|name| links[name] == format!("{path}/{name}"))
            .to_vec())
    };
    ensure!(has(&drover.api).await? == [true, true, true]);
    ensure!(has(&viewer).await? == [true, true, false]);
    drover.act_until(&id, "stop", "stopped", SOON).await?;
    ensure!(has(&drover.api).await? == [true, false, false]);
    Ok(())
}

async fn logs_commands_and_stats_are_had_from_the_command_line(drover: &Drover) -> Result<()> {
    let labels = json!({ "sim.log-lines": "4" });
    let id = running(drover, labels).await?;
    let logs = drover.command(&["logs", "--tail", "2", &id]).await?;
    ensure!(logs.trim() == "line 3\nline 4", "{logs:?}");
    let logs = drover
        .command(&["logs", "--since", "10m", "--timestamps", &id])
        .await?;
    ensure!(
        logs.lines().count() == 4 && logs.contains("Z line 1\n"),
        "{logs:?}"
    );
    let lines = drover.command(&["logs", "--output", "json", &id]).await?;
    ensure!(
        lines.lines().count() == 4 && lines.contains("\"stream\":\"stdout\""),
        "{lines}"
    );
    let said = drover
        .command(&["exec", &id, "--", "echo", "a", "b c"])
        .await?;
    ensure!(said.trim() == "a b c", "{said:?}");
    let failed = drover.command(&["exec", &id, "--", "exit", "7"]).await;
    let failed = failed
        .err()
        .context("a command that ends with 7 is a success")?;
    ensure!(format!("{failed:#}").contains('7'), "{failed:#}");
    let table = drover.command(&["stats", "--no-stream", &id]).await?;
    ensure!(
        table.contains("16.0 MiB / 64.0 MiB") && table.contains("1.0%"),
        "{table}"
    );
    let exec = ["exec", "--interactive", "--env", "A=b", &id, "--", "env"];
    ensure!(drover.command(&exec).await?.trim() == "A=b");
    Ok(())
}
