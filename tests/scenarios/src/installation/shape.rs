//! How many there are of each part of a cluster, and how they are told to run.

/// The shape of a cluster. By default that of a scenario: every service twice, three hosts.
#[derive(Clone, Debug)]
pub struct Shape {
    /// How many API servers.
    pub api_servers: usize,
    /// How many process servers.
    pub process_servers: usize,
    /// How many agent servers.
    pub agent_servers: usize,
    /// How many agents, each an operating-system process of its own.
    pub agents: usize,
    /// Further flags of the process servers.
    pub process_flags: Vec<String>,
    /// Whether agents of other networks can connect, and not those of this machine alone.
    pub is_open_to_networks: bool,
    /// Whether the agent servers reach the bus by a way that can be closed.
    pub has_detour: bool,
    /// Further settings of PostgreSQL, as in `shared_buffers=1GB`.
    pub postgres_settings: Vec<String>,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            api_servers: 2,
            process_servers: 2,
            agent_servers: 2,
            agents: 3,
            process_flags: Vec::new(),
            is_open_to_networks: false,
            has_detour: false,
            postgres_settings: Vec::new(),
        }
    }
}
