//! How busy the machine is, read from the machine itself; what cannot be read is left at zero.
//!
//! Processors tell only how long they have worked so far, so they are looked at twice, [`MOMENT`] apart.
//! Nothing is remembered and nothing runs between two questions: an agent that is not asked does nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use drover_proto::v1::{HostStats, SeenContainer, seen_container::State};
use nix::sys::statvfs::statvfs;

/// How long the processors are looked at.
const MOMENT: Duration = Duration::from_millis(250);
const KIB_OF_A_MIB: u64 = 1024;

/// Time that processors have spent so far, in ticks of the kernel, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ticks {
    busy: u64,
    all: u64,
    processors: u64,
}

/// A file system, in MiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Disk {
    /// All of it.
    pub(crate) all: u64,
    /// What is taken of it.
    pub(crate) used: u64,
}

/// How busy the machine is, whose runtime keeps its containers in `storage` and has these.
pub(crate) async fn stats(storage: Option<PathBuf>, containers: &[SeenContainer]) -> HostStats {
    let before = Ticks::read(&text_of("/proc/stat"));
    let disk = tokio::task::spawn_blocking(move || disk(storage.as_deref()));
    tokio::time::sleep(MOMENT).await;
    let after = Ticks::read(&text_of("/proc/stat"));
    let disk = disk.await.unwrap_or_default();
    let memory = text_of("/proc/meminfo");
    let all = kib(&memory, "MemTotal:");
    let used = all.saturating_sub(kib(&memory, "MemAvailable:"));
    let [load_1, load_5, load_15] = loads(&text_of("/proc/loadavg"));
    let count = |state| {
        let alike = containers.iter().filter(|seen| seen.state() == state);
        u32::try_from(alike.count()).unwrap_or(u32::MAX)
    };
    HostStats {
        cpu_millis: after.millis_since(before),
        memory_used_mib: used / KIB_OF_A_MIB,
        memory_mib: all / KIB_OF_A_MIB,
        disk_used_mib: disk.used,
        disk_mib: disk.all,
        load_1,
        load_5,
        load_15,
        containers_created: count(State::Created),
        containers_running: count(State::Running),
        containers_exited: count(State::Exited),
    }
}

/// The file system that holds `storage`, or that of the root where this machine has no such folder: the
/// engine may be elsewhere, or the agent in a container.
pub(crate) fn disk(storage: Option<&Path>) -> Disk {
    let known = storage.and_then(|path| statvfs(path).ok());
    let Some(found) = known.or_else(|| statvfs("/").ok()) else {
        return Disk::default();
    };
    let mib = |blocks| (u128::from(blocks) * u128::from(found.fragment_size())) >> 20;
    let mib = |blocks: u64| u64::try_from(mib(blocks)).unwrap_or(u64::MAX);
    Disk {
        all: mib(found.blocks()),
        used: mib(found.blocks().saturating_sub(found.blocks_free())),
    }
}

impl Ticks {
    fn read(stat: &str) -> Self {
        let mut ticks = Self::default();
        for line in stat.lines().filter(|line| line.starts_with("cpu")) {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap_or_default();
            if name != "cpu" {
                ticks.processors += 1;
                continue;
            }
            // user nice system idle iowait irq softirq steal; what follows is counted among these.
            let spent: Vec<u64> = words.take(8).filter_map(|word| word.parse().ok()).collect();
            let idle: u64 = spent.iter().skip(3).take(2).sum();
            ticks.all = spent.iter().sum();
            ticks.busy = ticks.all - idle;
        }
        ticks
    }

    /// Thousandths of one processor that were at work since.
    fn millis_since(self, before: Self) -> u32 {
        let busy = self.busy.saturating_sub(before.busy);
        let all = self.all.saturating_sub(before.all).max(1);
        let millis = self.processors * 1_000 * busy.min(all) / all;
        u32::try_from(millis).unwrap_or(u32::MAX)
    }
}

fn text_of(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn kib(meminfo: &str, name: &str) -> u64 {
    meminfo
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or_default()
}

fn loads(loadavg: &str) -> [f64; 3] {
    let mut words = loadavg.split_whitespace();
    std::array::from_fn(|_| {
        let load = words.next().and_then(|word| word.parse().ok());
        load.filter(|load: &f64| load.is_finite())
            .unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_as_busy_as_they_were_between_two_looks() {
        let stat = |user, idle| {
            Ticks::read(&format!(
                "cpu  {user} 0 50 {idle} 10 0 0 0 7 7\ncpu0 1 2 3 4\ncpu1 1 2 3 4\nintr 5\n"
            ))
        };
        assert_eq!(stat(150, 400).millis_since(stat(100, 350)), 1_000);
        assert_eq!(stat(100, 450).millis_since(stat(100, 350)), 0);
        assert_eq!(stat(200, 350).millis_since(stat(100, 350)), 2_000);
        assert_eq!(stat(100, 350).millis_since(stat(100, 350)), 0);
        assert_eq!(Ticks::read("").millis_since(Ticks::default()), 0);
    }

    #[test]
    fn what_cannot_be_read_is_zero() {
        assert_eq!(loads("0.50 1.25 x 1/2 3"), [0.5, 1.25, 0.0]);
        assert_eq!(loads("inf"), [0.0; 3]);
        assert_eq!(kib("MemTotal:  2048 kB\n", "MemTotal:"), 2_048);
        assert_eq!(kib("", "MemTotal:"), 0);
    }

    #[test]
    fn a_folder_that_is_not_here_stands_for_the_root() {
        assert!(disk(None).all > 0);
        assert_eq!(disk(Some(Path::new("/no/such/folder"))).all, disk(None).all);
        assert!(disk(None).used <= disk(None).all);
    }

    #[tokio::test]
    async fn this_machine_tells_how_busy_it_is() {
        let seen = |state: State| SeenContainer {
            state: state.into(),
            ..SeenContainer::default()
        };
        let containers = [
            seen(State::Running),
            seen(State::Running),
            seen(State::Exited),
        ];
        let stats = stats(None, &containers).await;
        assert!(stats.memory_used_mib > 0 && stats.memory_used_mib <= stats.memory_mib);
        assert!(stats.disk_used_mib > 0 && stats.disk_used_mib <= stats.disk_mib);
        let counted = (
            stats.containers_created,
            stats.containers_running,
            stats.containers_exited,
        );
        assert_eq!(counted, (0, 2, 1));
    }
}
