//! `/v1/containers/{id}/logs`, `exec` and `stats`: streams to and from a container's host.

use std::sync::Arc;

use aide::generate::GenContext;
use aide::openapi::Operation;
use aide::operation::OperationOutput;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use drover_domain::stream::{LogsRequest, StatsRequest, StreamRequest, Usage};
use drover_domain::{Resource, ResourceId, ResourceType, Timestamp};
use drover_store::Attached;
use schemars::{JsonSchema, json_schema};
use serde::Deserialize;

use super::Id;
use crate::Shared;
use crate::answer::media;
use crate::authorization::Caller;
use crate::problem::Problem;
use crate::problem::catalogue::{
    FOREIGN_ORIGIN, HOST_NOT_CONNECTED, NOT_ACCEPTABLE, NOT_ON_HOST, NOT_RUNNING, STREAM_REFUSED,
    STREAM_UNSUPPORTED, STREAMS, UPGRADE_REQUIRED,
};
use crate::query::{Nothing, Strict};
use crate::representation::{Container, Kind};
use crate::routes::{Needs, Routes, about};
use crate::streams::{self, Asked, Command, LineOfLog, Standing};
use crate::upgrade::Upgrade;

/// The most lines that can be asked for from the end of a log.
const MOST_LINES: u32 = 1_000_000;
/// The forms of logs and of stats, the usual one first.
const FORMS_OF_LOGS: [&str; 2] = ["text/plain", "application/x-ndjson"];
const FORMS_OF_STATS: [&str; 3] = [
    "application/json",
    "application/x-ndjson",
    "text/event-stream",
];

/// The addresses of streams.
pub(crate) fn routes(routes: Routes) -> Routes {
    let to_see = Needs::to_see(ResourceType::Container);
    let of = |needs, id: &str, summary: &str| {
        let problems = [
            &NOT_ON_HOST,
            &HOST_NOT_CONNECTED,
            &STREAM_UNSUPPORTED,
            &STREAM_REFUSED,
            &STREAMS,
            &FOREIGN_ORIGIN,
        ];
        about(needs, Container::NAMES, id, summary).fails(&problems)
    };
    let logs_of = of(
        to_see,
        "readContainerLogs",
        "Streams what a container has written and writes",
    );
    let stats_of = of(
        to_see,
        "readContainerStats",
        "Tells what a container uses, once or live",
    );
    let exec_in = of(
        Needs::to_change(ResourceType::Container),
        "execInContainer",
        "Runs a command inside a container, attached to a WebSocket",
    );
    routes
        .get(
            "/containers/{id}/logs",
            logs_of.fails(&[&NOT_ACCEPTABLE]),
            logs,
        )
        .get(
            "/containers/{id}/stats",
            stats_of.fails(&[&NOT_ACCEPTABLE, &NOT_RUNNING]),
            stats,
        )
        .get(
            "/containers/{id}/exec",
            exec_in.fails(&[&UPGRADE_REQUIRED, &NOT_RUNNING]),
            exec,
        )
}

/// Which part of a log is asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct LogsQuery {
    /// Whether to go on with what the container will write, until it ends.
    #[serde(default)]
    follow: bool,
    /// No more than so many of the last lines; all if absent.
    #[schemars(range(min = 0, max = 1_000_000))]
    tail: Option<u32>,
    /// Only what was written at this moment or later, to the second.
    since: Option<Timestamp>,
    /// Whether each line of text begins with its moment; lines of JSON have it in any case.
    #[serde(default)]
    timestamps: bool,
    /// Whether to show what goes to stdout.
    #[serde(default = "yes")]
    stdout: bool,
    /// Whether to show what goes to stderr.
    #[serde(default = "yes")]
    stderr: bool,
}

const fn yes() -> bool {
    true
}

async fn logs(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Strict(query): Strict<LogsQuery>,
    upgrade: Upgrade,
    headers: HeaderMap,
) -> Result<Logs, Problem> {
    if query.tail.is_some_and(|tail| tail > MOST_LINES) {
        let detail = format!("`tail` is at most {MOST_LINES}");
        return Err(Problem::bad_query(detail));
    }
    let form = form(&upgrade, &headers, &FORMS_OF_LOGS)?;
    let container = caller.seen(find(&shared, id).await?)?;
    let request = LogsRequest {
        follow: query.follow,
        tail: query.tail,
        since: query.since,
        timestamps: query.timestamps || form == Some(1),
        stdout: query.stdout,
        stderr: query.stderr,
    };
    let asked = Asked {
        container: &container,
        request: StreamRequest::Logs(request),
        attached: Attached::nothing(),
    };
    let upstream = streams::open(&shared, asked).await?;
    let standing = Standing::of(&shared, &headers, id, false);
    Ok(Logs(match (upgrade.0, form) {
        (Some(upgrade), _) => streams::attach(upgrade, upstream, standing),
        (None, Some(1)) => streamed(FORMS_OF_LOGS[1], streams::lines(upstream, standing)),
        _ => streamed(
            "text/plain; charset=utf-8",
            streams::text(upstream, standing),
        ),
    }))
}

async fn stats(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Strict(Nothing {}): Strict<Nothing>,
    upgrade: Upgrade,
    headers: HeaderMap,
) -> Result<Stats, Problem> {
    let form = form(&upgrade, &headers, &FORMS_OF_STATS)?;
    let container = caller.seen(find(&shared, id).await?)?;
    let live = form != Some(0);
    let asked = Asked {
        container: &container,
        request: StreamRequest::Stats(StatsRequest { live }),
        attached: Attached::nothing(),
    };
    let upstream = streams::open(&shared, asked).await?;
    if !live {
        let usage = streams::once(upstream).await?;
        return Ok(Stats(axum::Json(usage).into_response()));
    }
    let standing = Standing::of(&shared, &headers, id, false);
    Ok(Stats(match upgrade.0 {
        Some(upgrade) => streams::attach(upgrade, upstream, standing),
        None => {
            let are_events = form == Some(2);
            let form = FORMS_OF_STATS[if are_events { 2 } else { 1 }];
            streamed(form, streams::live(upstream, standing, are_events))
        }
    }))
}

async fn exec(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Command(request): Command,
    upgrade: Upgrade,
    headers: HeaderMap,
) -> Result<Attachment, Problem> {
    let container = caller.changeable(find(&shared, id).await?)?;
    let Some(upgrade) = upgrade.0 else {
        let detail = "a command is attached to a WebSocket";
        return Err(Problem::new(&UPGRADE_REQUIRED, detail).with_hint("see docs/streams.md"));
    };
    let now = shared.clock.now();
    let asked = Asked {
        container: &container,
        request: StreamRequest::Exec(request),
        attached: caller.attached(now, &container, StatusCode::SWITCHING_PROTOCOLS),
    };
    let upstream = streams::open(&shared, asked).await?;
    let standing = Standing::of(&shared, &headers, id, true);
    Ok(Attachment(streams::attach(upgrade, upstream, standing)))
}

async fn find(shared: &Shared, id: ResourceId) -> Result<Resource, Problem> {
    let found = shared.store.resource(ResourceType::Container, id).await?;
    found.ok_or_else(|| Problem::not_found("container"))
}

/// Which of some forms is asked for; none for a WebSocket.
fn form(upgrade: &Upgrade, headers: &HeaderMap, forms: &[&str]) -> Result<Option<usize>, Problem> {
    if upgrade.0.is_some() {
        return Ok(None);
    }
    let form = streams::preferred(headers, forms);
    form.map(Some).ok_or_else(|| {
        let detail = format!("the forms are {} and a WebSocket", forms.join(", "));
        Problem::new(&NOT_ACCEPTABLE, detail)
    })
}

fn streamed(form: &'static str, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, form),
        // What stands between must hand on each line at once, and a browser take text for text.
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, [("x-accel-buffering", "no")], body).into_response()
}

/// What each kind of stream answers with.
macro_rules! answers {
    ($($(#[$about:meta])* $name:ident, $described:ident;)*) => {
        $(
            $(#[$about])*
            struct $name(Response);

            impl IntoResponse for $name {
                fn into_response(self) -> Response {
                    self.0
                }
            }

            impl OperationOutput for $name {
                type Inner = ();

                fn inferred_responses(
                    context: &mut GenContext,
                    _: &mut Operation,
                ) -> Vec<(Option<u16>, aide::openapi::Response)> {
                    $described(context)
                }
            }
        )*
    };
}

answers! {
    /// What a container writes.
    Logs, describe_logs;
    /// What a container uses.
    Stats, describe_stats;
    /// A command that a client is attached to.
    Attachment, describe_attachment;
}

type Described = Vec<(Option<u16>, aide::openapi::Response)>;

fn upgraded() -> (Option<u16>, aide::openapi::Response) {
    let told = aide::openapi::Response {
        description: "A WebSocket, whose messages docs/streams.md describes.".to_owned(),
        ..aide::openapi::Response::default()
    };
    (Some(101), told)
}

/// Text of which each line is an object of a type.
fn many<T: JsonSchema>(context: &mut GenContext, says: &str) -> aide::openapi::MediaType {
    let schema = context.schema.subschema_for::<T>();
    let schema = serde_json::to_string(schema.as_value()).unwrap_or_default();
    let description = format!("{says}, each of this schema: `{schema}`");
    media(json_schema!({ "type": "string", "description": description }))
}

fn describe_logs(context: &mut GenContext) -> Described {
    let text = media(json_schema!({ "type": "string", "description": "What was written." }));
    let lines = many::<LineOfLog<'static>>(context, "JSON objects, one a line");
    let told = aide::openapi::Response {
        description: "What was written, and is written.".to_owned(),
        content: [
            (FORMS_OF_LOGS[0].to_owned(), text),
            (FORMS_OF_LOGS[1].to_owned(), lines),
        ]
        .into_iter()
        .collect(),
        ..aide::openapi::Response::default()
    };
    vec![(Some(200), told), upgraded()]
}

fn describe_stats(context: &mut GenContext) -> Described {
    let once = media(context.schema.subschema_for::<Usage>());
    let lines = many::<Usage>(context, "JSON objects, one a line");
    let events = many::<Usage>(context, "Server-sent events, whose data are JSON objects");
    let told = aide::openapi::Response {
        description: "What it uses.".to_owned(),
        content: [
            (FORMS_OF_STATS[0].to_owned(), once),
            (FORMS_OF_STATS[1].to_owned(), lines),
            (FORMS_OF_STATS[2].to_owned(), events),
        ]
        .into_iter()
        .collect(),
        ..aide::openapi::Response::default()
    };
    vec![(Some(200), told), upgraded()]
}

fn describe_attachment(_: &mut GenContext) -> Described {
    vec![upgraded()]
}
