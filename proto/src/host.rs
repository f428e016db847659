//! Hosts on the wire.

use drover_domain::resource::HostFacts;

use crate::v1;

impl From<v1::HostFacts> for HostFacts {
    fn from(facts: v1::HostFacts) -> Self {
        Self {
            hostname: facts.hostname,
            operating_system: facts.operating_system,
            kernel: facts.kernel,
            architecture: facts.architecture,
            cpus: facts.cpus,
            memory_mib: facts.memory_mib,
            runtime: facts.runtime,
            runtime_version: facts.runtime_version,
            storage_driver: facts.storage_driver,
            disk_mib: facts.disk_mib,
            agent_version: facts.agent_version,
        }
    }
}

impl From<HostFacts> for v1::HostFacts {
    fn from(facts: HostFacts) -> Self {
        Self {
            hostname: facts.hostname,
            operating_system: facts.operating_system,
            kernel: facts.kernel,
            architecture: facts.architecture,
            cpus: facts.cpus,
            memory_mib: facts.memory_mib,
            runtime: facts.runtime,
            runtime_version: facts.runtime_version,
            storage_driver: facts.storage_driver,
            disk_mib: facts.disk_mib,
            agent_version: facts.agent_version,
        }
    }
}
