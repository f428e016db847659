//! What the machine is, read from the machine itself. A runtime may know better.

use drover_domain::resource::HostFacts;

use crate::usage;

/// The facts about this machine; what cannot be read is left empty.
pub(crate) fn facts() -> HostFacts {
    HostFacts {
        hostname: line_of("/proc/sys/kernel/hostname"),
        operating_system: operating_system(&text_of("/etc/os-release")),
        kernel: line_of("/proc/sys/kernel/osrelease"),
        architecture: std::env::consts::ARCH.to_owned(),
        cpus: std::thread::available_parallelism()
            .ok()
            .and_then(|cpus| u32::try_from(cpus.get()).ok())
            .unwrap_or_default(),
        memory_mib: memory_mib(&text_of("/proc/meminfo")),
        runtime: String::new(),
        runtime_version: String::new(),
        storage_driver: String::new(),
        disk_mib: whole_gib(usage::disk(None).all),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Whole GiB of so many MiB, in MiB: some file systems grow and shrink a little with what is on them, which
/// is not worth telling.
pub(crate) const fn whole_gib(mib: u64) -> u64 {
    mib & !1023
}

fn text_of(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn line_of(path: &str) -> String {
    text_of(path).trim().to_owned()
}

fn operating_system(os_release: &str) -> String {
    os_release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map(|name| name.trim_matches(['"', '\'']).to_owned())
        .unwrap_or_default()
}

fn memory_mib(meminfo: &str) -> u64 {
    meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_name_processors_and_memory() {
        let facts = facts();
        assert!(!facts.hostname.is_empty());
        assert!(facts.cpus > 0 && facts.memory_mib > 0);
    }

    #[test]
    fn the_operating_system_is_called_by_its_pretty_name() {
        let text = "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        assert_eq!(operating_system(text), "Debian GNU/Linux 12 (bookworm)");
        assert_eq!(operating_system(""), "");
    }
}
