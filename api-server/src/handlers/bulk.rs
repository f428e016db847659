//! Several containers in one request: so many of one kind, or a list of them.
//!
//! Each is asked for as if it had been alone, and has an answer of its own at its own place. They reach
//! the database together, and none waits for another to be decided.

use std::borrow::Cow;

use aide::generate::GenContext;
use aide::openapi::{Operation, Response};
use aide::operation::OperationOutput;
use axum::response::IntoResponse;
use drover_store::KeptAnswer;
use futures::{StreamExt, stream};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value};

use super::containers;
use crate::Shared;
use crate::answer::{MakingAsked, Reply, Several};
use crate::authorization::Caller;
use crate::body::FromObject;
use crate::new::New;
use crate::problem::{Problem, shape};
use crate::query::Preferred;
use crate::recording;
use crate::representation::{Container, Shown, add_fields};

/// The most containers of one request.
const MOST: usize = 1_000;
/// How many are on their way to the database at the same time: as many as it takes in two batches.
const AT_ONCE: usize = 400;

/// The containers that are asked for.
pub(crate) enum Wanted {
    /// One.
    One(Box<New<Container>>),
    /// Several, each sound or not.
    Several(Vec<Result<New<Container>, Problem>>),
}

impl FromObject for Wanted {
    fn from_object(mut object: Map<String, Value>) -> Result<Self, Problem> {
        let Some(count) = object.remove("count") else {
            return New::from_object(object).map(|one| Self::One(Box::new(one)));
        };
        let count = count.as_u64().and_then(|count| usize::try_from(count).ok());
        let count = count.filter(|count| (1..=MOST).contains(count));
        let count = count
            .ok_or_else(|| Problem::invalid("count", format!("is a number from 1 to {MOST}")))?;
        // What is wrong with one is wrong with all of them.
        let first = New::<Container>::from_object(object.clone())?;
        containers::check(&first)?;
        let numbered = (1..=count).map(|number| {
            let mut one = New::<Container>::from_object(object.clone())?;
            if !one.given.name.is_empty() {
                one.given.name = format!("{}-{number}", one.given.name);
            }
            Ok(one)
        });
        Ok(Self::Several(numbered.collect()))
    }

    fn from_json(value: Value) -> Result<Self, Problem> {
        match value {
            Value::Array(items) if (1..=MOST).contains(&items.len()) => {
                let read = items.into_iter().map(New::from_json);
                Ok(Self::Several(read.collect()))
            }
            Value::Array(_) => {
                let reason = format!("a list has 1 to {MOST} containers");
                Err(Problem::invalid("", reason))
            }
            Value::Object(object) => Self::from_object(object),
            _ => Err(crate::body::no_object()),
        }
    }
}

impl JsonSchema for Wanted {
    fn schema_name() -> Cow<'static, str> {
        "NewContainers".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<New<Container>>();
        let alike = generator.subschema_for::<Alike>();
        json_schema!({
            "description": "One container, so many alike, or a list of them.",
            "oneOf": [
                one,
                alike,
                { "type": "array", "items": one, "minItems": 1, "maxItems": MOST },
            ],
        })
    }
}

/// So many containers alike, for the description: a name of their own lets clients be generated.
struct Alike;

impl JsonSchema for Alike {
    fn schema_name() -> Cow<'static, str> {
        "NewContainersAlike".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut many = New::<Container>::json_schema(generator);
        let count = json_schema!({
            "properties": {
                "count": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MOST,
                    "description": "How many of them; their names end in `-1`, `-2` and so on.",
                },
            },
            "required": ["count"],
        });
        add_fields(&mut many, count);
        many
    }
}

/// An answer for each of several containers, in the order in which they were asked for.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Bulk")]
pub(crate) struct Bulk {
    /// Always `bulk`.
    #[schemars(extend("const" = "bulk"))]
    r#type: &'static str,
    /// The answers.
    data: Vec<Answer>,
}

/// The answer for one of several containers.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BulkAnswer")]
struct Answer {
    /// The status that it would have had alone.
    status: u16,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "string"))]
    location: Option<String>,
    /// The container, if it was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(default, schema_with = "container_schema")]
    resource: Option<Asked>,
    /// Why it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(default, schema_with = "shape::schema")]
    problem: Option<Value>,
}

/// A container that was asked for.
#[derive(Serialize)]
#[serde(untagged)]
enum Asked {
    /// Just now.
    Now(Box<Shown<Container>>),
    /// By the same request before.
    Before(Value),
}

impl Answer {
    fn refused(problem: &Problem) -> Self {
        Self {
            status: problem.status().as_u16(),
            location: None,
            resource: None,
            problem: Some(problem.to_json()),
        }
    }

    fn repeated(caller: &Caller, kept: KeptAnswer) -> Self {
        if let Err(problem) = recording::check_repeated(caller, &kept) {
            return Self::refused(&problem);
        }
        Self {
            status: kept.status,
            location: kept.location,
            resource: serde_json::from_str(&kept.body).ok().map(Asked::Before),
            problem: None,
        }
    }
}

fn container_schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Shown<Container>>()
}

/// Asks for several containers. Those that were asked for by the same request before are not made
/// again.
pub(super) async fn create(
    shared: &Shared,
    caller: &Caller,
    preferred: Preferred,
    wanted: Vec<Result<New<Container>, Problem>>,
) -> Result<Reply<Several, Bulk>, Problem> {
    // All are on their way before the first one is waited for.
    let at_once = match preferred.wait {
        Some(_) => MOST,
        None => AT_ONCE,
    };
    let mut kept = recording::kept_items(shared, caller, wanted.len()).await?;
    let asked = wanted.into_iter().enumerate().map(|(index, new)| {
        let kept = kept.remove(&index);
        async move {
            if let Some(kept) = kept {
                return Answer::repeated(caller, kept);
            }
            create_item(shared, &caller.for_item(index), preferred, new).await
        }
    });
    let asked: Vec<_> = asked.collect();
    Ok(Reply::new(Bulk {
        r#type: "bulk",
        data: stream::iter(asked).buffered(at_once).collect().await,
    }))
}

async fn create_item(
    shared: &Shared,
    caller: &Caller,
    preferred: Preferred,
    new: Result<New<Container>, Problem>,
) -> Answer {
    let made = async { containers::create_one(shared, caller, preferred, new?).await };
    let problem = match made.await {
        Ok(reply) => {
            let (status, location, resource) = reply.into_parts();
            return Answer {
                status: status.as_u16(),
                location,
                resource: resource.map(Box::new).map(Asked::Now),
                problem: None,
            };
        }
        Err(problem) if recording::is_repeated(&problem) => {
            // The same request is under way elsewhere, and was first.
            match recording::kept_item(shared, caller).await {
                Ok(Some(kept)) => return Answer::repeated(caller, kept),
                Ok(None) => problem,
                Err(problem) => problem,
            }
        }
        Err(problem) => problem,
    };
    recording::refused(shared, caller, &problem).await;
    Answer::refused(&problem)
}

/// What comes of asking for one container or for several.
pub(crate) enum Made {
    /// For one.
    One(Box<Reply<MakingAsked, Shown<Container>>>),
    /// For several.
    Several(Reply<Several, Bulk>),
}

impl IntoResponse for Made {
    fn into_response(self) -> axum::response::Response {
        match self {
            Self::One(reply) => reply.into_response(),
            Self::Several(reply) => reply.into_response(),
        }
    }
}

impl OperationOutput for Made {
    type Inner = ();

    fn inferred_responses(
        context: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<u16>, Response)> {
        let mut all =
            Reply::<MakingAsked, Shown<Container>>::inferred_responses(context, operation);
        all.extend(Reply::<Several, Bulk>::inferred_responses(
            context, operation,
        ));
        all
    }
}
