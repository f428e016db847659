//! Reports: what the agents of a simulation tell without being asked, until it is settled.

use std::time::Duration;

use drover_bus::{EventBus, Subject};
use drover_proto::v1::{
    Envelope, HostFacts, HostReport, Inventory, Report, ReportAnswer, envelope, report,
};
use drover_proto::{decode_payload, name};
use prost::Message;

use crate::agents::Agents;
use crate::machine::{Books, Host};

/// How long an agent server waits for a report to be settled.
const REPORT_TIMEOUT: Duration = Duration::from_secs(20);

impl Agents {
    /// Tells what is to be told, about once a second, until it is settled.
    pub(crate) async fn report_for_ever(&self, host: usize) {
        loop {
            let pause = self.kernel().chance(|random| {
                random.between(Duration::from_millis(650), Duration::from_millis(1_300))
            });
            self.kernel().sleep(pause).await;
            let (inventory_due, pending) = {
                let hosts = self.hosts();
                let Books {
                    inventory, pending, ..
                } = &hosts[host].books;
                if !hosts[host].is_connected {
                    continue;
                }
                (*inventory, pending.clone())
            };
            if let Some(number) = inventory_due {
                let what = report::What::Inventory(inventory(&self.hosts()[host]));
                if self.is_settled(host, what).await {
                    let mut hosts = self.hosts();
                    let books = &mut hosts[host].books;
                    books.inventory = books.inventory.filter(|latest| *latest != number);
                }
            }
            for (id, seen) in pending {
                let what = report::What::Container(seen.clone());
                if self.is_settled(host, what).await {
                    let mut hosts = self.hosts();
                    let books = &mut hosts[host].books;
                    if books.pending.get(&id) == Some(&seen) {
                        books.pending.remove(&id);
                        books.told.insert(id, (seen.state(), seen.exit_code));
                    }
                }
            }
        }
    }

    async fn is_settled(&self, host: usize, what: report::What) -> bool {
        if self.planted().agents_report_nothing {
            return true;
        }
        let report = HostReport {
            host_id: self.ids()[host].to_string(),
            agent_id: String::new(),
            report: Some(Report {
                id: self.kernel().id().to_string(),
                what: Some(what),
            }),
        };
        let envelope = Envelope {
            kind: envelope::Kind::Request.into(),
            name: name::HOST_REPORT.to_owned(),
            payload: report.encode_to_vec(),
            ..Envelope::default()
        };
        let subject = Subject::host_report(self.ids()[host]);
        let bus = self
            .bus()
            .held_by(self.kernel().name('h', self.ids()[host].uuid()));
        let answer = bus.request(&subject, envelope, REPORT_TIMEOUT, None).await;
        let settled = answer
            .ok()
            .and_then(|answer| decode_payload::<ReportAnswer>(&answer.payload).ok())
            .is_some_and(|answer| answer.settled);
        settled && self.hosts()[host].is_connected
    }
}

/// What a host tells of itself: what it is, and what it runs.
pub(crate) fn inventory(host: &Host) -> Inventory {
    Inventory {
        facts: Some(HostFacts {
            cpus: crate::world::CPUS,
            memory_mib: crate::world::MEMORY_MIB,
            ..HostFacts::default()
        }),
        containers: host.all(),
    }
}
