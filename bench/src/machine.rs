//! The facts about the machine and its software without which a figure says nothing.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use drover_scenarios::process::{Program, output};
use serde_json::{Value, json};

/// Processors, memory, versions and the load of this moment.
pub(crate) async fn facts() -> Value {
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "processor": field("/proc/cpuinfo", "model name"),
        "memory": field("/proc/meminfo", "MemTotal"),
        "kernel": read("/proc/sys/kernel/osrelease"),
        "loadAverage": load(),
        "postgres": version("/usr/lib/postgresql/15/bin/postgres", "--version").await,
        "nats": version("/usr/sbin/nats-server", "--version").await,
        "etcd": version("/usr/bin/etcd", "--version").await,
        "drover": env!("CARGO_PKG_VERSION"),
    })
}

/// The load of the last minutes. Above the number of the processors, others were at work too.
pub(crate) fn load() -> String {
    read("/proc/loadavg")
}

fn read(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn field(path: &str, name: &str) -> String {
    let text = read(path);
    let line = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    });
    line.unwrap_or_default()
}

async fn version(program: &str, flag: &str) -> String {
    let asked = Program::new("version", program).argument(flag);
    let said: Result<String> = output(asked, Duration::from_secs(5)).await;
    let said = said.unwrap_or_default();
    said.lines().next().unwrap_or_default().to_owned()
}
