//! What people see, as snapshots.

use std::collections::BTreeMap;

use drover_domain::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::table::Look;
use super::{IdLength, containers, details, hosts, processes, timeline};

const ID: &str = "01990000-0000-7000-8000-00000000beef";
const HOST: &str = "01990000-0000-7000-8000-0000000000aa";

fn view<View: DeserializeOwned>(value: &Value) -> View {
    View::deserialize(value).unwrap()
}

fn now() -> Timestamp {
    serde_json::from_value(json!("2026-11-21T00:10:00Z")).unwrap()
}

#[test]
fn containers_are_listed_with_host_names_and_bound_ports() {
    let web = json!({
        "id": ID, "name": "web", "image": "drover/hello", "state": "running", "hostId": HOST,
        "created": "2026-11-21T00:00:00Z",
        "boundPorts": [
            {"hostIp": "127.0.0.1", "hostPort": 8081, "containerPort": 80, "protocol": "tcp"},
            {"hostIp": null, "hostPort": 53, "containerPort": 53, "protocol": "udp"},
        ],
    });
    let odd = json!({
        "id": "x", "name": "a\u{1b}[2Jb", "image": "busybox", "state": "stopped", "exitCode": 137,
        "aFieldOfTomorrow": true,
    });
    let ill = json!({
        "id": "y", "name": "ill", "image": "busybox", "state": "running", "healthState": "unhealthy",
    });
    let loops = json!({
        "id": "z", "name": "loops", "image": "busybox", "state": "restarting", "exitCode": 1,
        "crashLoop": true,
    });
    let names = BTreeMap::from([(HOST.to_owned(), "laptop".to_owned())]);
    let list = [view(&web), view(&odd), view(&ill), view(&loops)];
    let text = containers::table(&list, &names, now(), IdLength::Short, Look::Plain);
    insta::assert_snapshot!(text, @r#"
    NAME         ID            IMAGE         STATE                    HOST    PORTS                                 AGE
    web          00000000beef  drover/hello  running                  laptop  127.0.0.1:8081->80/tcp, *:53->53/udp  10m
    a\u{1b}[2Jb  x             busybox       stopped (137)            -       -                                     -
    ill          y             busybox       running (unhealthy)      -       -                                     -
    loops        z             busybox       restarting (crash loop)  -       -                                     -
    "#);
}

#[test]
fn hosts_are_listed_with_what_is_reserved_of_what_they_have() {
    let host = json!({
        "id": HOST, "name": "laptop", "state": "active", "created": "2026-11-20T00:00:00Z",
        "facts": {"runtime": "docker", "runtimeVersion": "20.10.24"},
        "capacity": {"cpuMillis": 2000, "memoryMiB": 8000},
        "reserved": {"cpuMillis": 750, "memoryMiB": 64, "containers": 3},
    });
    let text = hosts::table(&[view(&host)], now(), IdLength::Short, Look::Plain);
    insta::assert_snapshot!(text, @r#"
    NAME    ID            STATE   CPUS       MEMORY          CONTAINERS  RUNTIME          AGE
    laptop  0000000000aa  active  0.75 of 2  64 of 8000 MiB  3           docker 20.10.24  24h
    "#);
}

fn waiting_process() -> Value {
    json!({
        "id": "01990000-0000-7000-8000-000000000c0d", "name": "start", "phase": "waiting",
        "resourceType": "container", "resourceId": ID, "step": "start-on-host", "attempt": 2,
        "message": "the agent of laptop is away", "waitingOn": format!("host/{HOST}"),
        "created": "2026-11-21T00:09:00Z", "runAfter": "2026-11-21T00:10:30Z",
        "deadline": "2026-11-21T00:24:00Z",
        "journal": [
            {"step": "place", "started": "2026-11-21T00:09:00Z",
             "finished": "2026-11-21T00:09:00.012Z", "attempts": 0},
            {"step": "start-on-host", "started": "2026-11-21T00:09:01Z", "finished": null,
             "attempts": 2, "error": "no answer in 10 s"},
        ],
    })
}

#[test]
fn processes_are_listed_with_what_they_wait_for() {
    let list = [view(&waiting_process())];
    let text = processes::table(&list, now(), IdLength::Short, Look::Plain);
    insta::assert_snapshot!(text, @r#"
    ID            NAME   RESOURCE                PHASE    STEP           FAILED  AGE  MESSAGE
    000000000c0d  start  container/00000000beef  waiting  start-on-host  2       60s  the agent of laptop is away [waits for host/01990000-0000-7000-8000-0000000000aa]
    "#);
}

#[test]
fn the_timeline_tells_each_step_and_why_it_is_not_done() {
    let create = json!({
        "id": "01990000-0000-7000-8000-000000000c0c", "name": "create", "phase": "done",
        "created": "2026-11-21T00:08:00Z", "finished": "2026-11-21T00:08:01.200Z",
        "journal": [{"step": "create-on-host", "started": "2026-11-21T00:08:00Z",
                     "finished": "2026-11-21T00:08:01Z", "attempts": 1, "error": "busy\u{7}"}],
    });
    let list = [view(&create), view(&waiting_process())];
    let text = timeline::timeline(&list, now()) + "\n\n" + &timeline::verdict(&list, now());
    insta::assert_snapshot!(text, @r#"
    00:08:00Z  create done after 1.2s  000000000c0c
      + create-on-host  1.0s, failed once: busy\u{7}
    00:09:00Z  start waiting for 60s  000000000c0d
      + place  12ms
      > start-on-host  begun 59s ago, failed 2 times: no answer in 10 s
        the agent of laptop is away

    start waits for host/01990000-0000-7000-8000-0000000000aa: the agent of laptop is away. It looks again in 30s. It gives up in 14m.
    "#);
}

#[test]
fn a_failure_is_the_verdict() {
    let failed = json!({"name": "start", "phase": "failed", "message": "no such image"});
    let text = timeline::verdict(&[view(&failed)], now());
    assert_eq!(text, "Its last process, start, failed: no such image");
}

#[test]
fn details_name_each_field_by_its_path_and_leave_out_what_is_empty() {
    let text = details::fields(&json!({
        "name": "web", "removed": null, "labels": {}, "resources": {"memoryMiB": 64},
        "command": ["sleep", "1\n"], "description": "",
    }));
    insta::assert_snapshot!(text, @r#"
    command[0]           sleep
    command[1]           1\n
    name                 web
    resources.memoryMiB  64
    "#);
}

#[test]
fn a_short_id_is_the_end_of_it() {
    assert_eq!(IdLength::Short.of(ID), "00000000beef");
    assert_eq!(IdLength::Whole.of(ID), ID);
}
