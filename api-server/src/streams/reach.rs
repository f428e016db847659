//! From a container to a stream: where its agent is, a ticket, and the server that has it.
//!
//! Where an agent was seen last may not be where it is: it moves when its server stops, and the row says so
//! a moment later. So a server that does not have it any more, or does not answer, is a reason to look
//! again, a few times.

use std::time::Duration;

use drover_domain::stream::StreamRequest;
use drover_domain::{Resource, ResourceId, State};
use drover_proto::stream::code;
use drover_store::{Attached, StreamTicket};

use super::upstream::{self, DialError, Upstream};
use super::{Place, Streams};
use crate::Shared;
use crate::problem::Problem;
use crate::problem::catalogue::{
    HOST_NOT_CONNECTED, NOT_ON_HOST, NOT_RUNNING, STREAM_FAILED, STREAM_REFUSED,
    STREAM_UNSUPPORTED, STREAMS,
};

/// How long a ticket is good for.
const TICKET: Duration = Duration::from_secs(30);
/// How often an agent is looked for, and the pause between, about.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(400);

/// What is asked of a container.
pub(crate) struct Asked<'a> {
    pub(crate) container: &'a Resource,
    pub(crate) request: StreamRequest,
    /// What is written down with it.
    pub(crate) attached: Attached,
}

/// Opens a stream.
///
/// # Errors
/// Why it cannot be had: there is no place for it, the container is not on a host or does not run where
/// it has to, its host is not connected, or the host refuses.
pub(crate) async fn open(shared: &Shared, asked: Asked<'_>) -> Result<Upstream, Problem> {
    let Asked {
        container,
        request,
        attached,
    } = asked;
    let streams: &Streams = &shared.streams;
    let place = streams.enter(request.name()).ok_or_else(|| {
        Problem::new(&STREAMS, "the server has as many streams as it takes")
            .with_hint("close some, or ask another server")
    })?;
    let host = container.host.filter(|_| container.removed.is_none());
    let host = host.ok_or_else(|| not_on_host("the container is not on a host"))?;
    let needs_a_run = !matches!(request, StreamRequest::Logs(_));
    if needs_a_run && !runs(container.state) {
        let detail = format!("the container is {}", container.state);
        return Err(Problem::new(&NOT_RUNNING, detail).with_hint("it has to be running"));
    }
    let mut search = Search {
        shared,
        host,
        container: container.id,
        request,
        attached: Some(attached),
    };
    search.run(place).await
}

fn runs(state: State) -> bool {
    matches!(state, State::Running | State::Stopping)
}

fn not_on_host(detail: &str) -> Problem {
    Problem::new(&NOT_ON_HOST, detail)
}

struct Search<'a> {
    shared: &'a Shared,
    host: ResourceId,
    container: ResourceId,
    request: StreamRequest,
    /// With the first ticket only.
    attached: Option<Attached>,
}

/// Why one try came to nothing.
enum Missed {
    /// Another one is of no use.
    ForGood(Problem),
    /// The agent may be found elsewhere.
    Now(Problem),
}

impl Search<'_> {
    async fn run(&mut self, place: Place) -> Result<Upstream, Problem> {
        let mut tries = 1;
        loop {
            match self.once().await {
                Ok(socket) => {
                    return Ok(Upstream {
                        socket,
                        _place: place,
                    });
                }
                Err(Missed::ForGood(problem)) => return Err(problem),
                Err(Missed::Now(problem)) if tries == TRIES => return Err(problem),
                Err(Missed::Now(problem)) => {
                    tracing::debug!(host = %self.host, ?problem, "an agent is looked for again");
                }
            }
            tries += 1;
            tokio::time::sleep(PAUSE.mul_f64(0.5 + rand::random::<f64>())).await;
        }
    }

    async fn once(&mut self) -> Result<super::upstream::Socket, Missed> {
        let store = &self.shared.store;
        let for_good = |problem: Problem| Missed::ForGood(problem);
        let not_connected = || {
            let detail = "the agent of the container's host is not connected";
            let problem = Problem::new(&HOST_NOT_CONNECTED, detail);
            Missed::Now(problem.with_hint("see the state of the host"))
        };
        let seen = store.agent_of(self.host).await;
        let seen = seen.map_err(|error| for_good(error.into()))?;
        let seen = seen.filter(|seen| seen.is_connected);
        let seen = seen.ok_or_else(not_connected)?;
        let Some(address) = seen.address else {
            let detail = "the agent server of the container's host does not know streams";
            return Err(for_good(Problem::new(&STREAM_UNSUPPORTED, detail)));
        };
        let now = self.shared.clock.now();
        let ticket = StreamTicket {
            host: self.host,
            agent: seen.agent,
            container: self.container,
            request: self.request.clone(),
        };
        let attached = self.attached.take().unwrap_or_default();
        let ticket = store.make_ticket(&ticket, now.after(TICKET), attached);
        let ticket = ticket.await.map_err(|error| for_good(error.into()))?;
        let dialled = upstream::dial(&address, &ticket, &self.shared.streams.trust).await;
        dialled.map_err(|error| match error {
            DialError::Unreachable(reason) => {
                tracing::warn!(server = %seen.server, reason, "an agent server cannot be dialled");
                // Where it is dialled is nobody's business outside.
                let detail = "the agent server of the container's host cannot be reached";
                Missed::Now(Problem::new(&STREAM_FAILED, detail))
            }
            DialError::Refused { code, detail } => match code.as_str() {
                code::AWAY => not_connected(),
                code::TOO_MANY => for_good(Problem::new(&STREAMS, detail)),
                code::NOT_THERE => for_good(not_on_host(&detail)),
                code::REFUSED => for_good(Problem::new(&STREAM_REFUSED, detail)),
                code::UNSUPPORTED => for_good(Problem::new(&STREAM_UNSUPPORTED, detail)),
                _ => for_good(Problem::new(&STREAM_FAILED, detail)),
            },
        })
    }
}
