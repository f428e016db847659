//! The machine: the facts about it and its software without which a figure says nothing, and whether it has
//! anything else to do.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use drover_scenarios::process::{Program, output};
use serde_json::{Value, json};

/// A machine of which less than this share was used for [`LOOK`] is at rest.
const AT_REST: f64 = 0.1;
const LOOK: Duration = Duration::from_secs(1);
/// One that does not come to rest within so many looks never will.
const LOOKS: u32 = 30;

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

/// Waits until the machine is at rest, for half a minute at most: what was done before may leave work behind, as
/// network namespaces that the kernel takes apart, and would weigh on what is measured next.
pub(crate) async fn until_at_rest() {
    let mut before = spent();
    for _ in 0..LOOKS {
        tokio::time::sleep(LOOK).await;
        let now = spent();
        let (used, all) = (now.0 - before.0, now.1 - before.1);
        if used < all * AT_REST {
            return;
        }
        before = now;
    }
}

/// The processor time that was used, and all that there was, since the machine was started.
fn spent() -> (f64, f64) {
    let stat = read("/proc/stat");
    let first = stat.lines().next().unwrap_or_default();
    // user, nice, system, idle, iowait, irq, softirq, steal; what follows is contained in the first two.
    let times = first.split_whitespace().skip(1).take(8);
    let times: Vec<f64> = times.filter_map(|time| time.parse().ok()).collect();
    let all: f64 = times.iter().sum();
    let idle: f64 = times.iter().skip(3).take(2).sum();
    (all - idle, all)
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
