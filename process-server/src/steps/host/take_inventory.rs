//! Learn what a host is. What it runs is settled by the report that its agent sends with each
//! connection.

use drover_domain::engine::{Changes, Outcome};
use drover_domain::resource::{Details, HostFacts};
use drover_proto::Malformed;
use drover_proto::v1::TakeInventory;
use drover_proto::v1::command::Action;

use crate::agents::Answer;
use crate::steps::{Context, StepError};

pub(crate) async fn run(context: Context<'_>) -> Result<Outcome, StepError> {
    let host = context.resource.id;
    let action = Action::TakeInventory(TakeInventory {});
    let order = context.order(host, "inventory");
    match context.surroundings.agents.send(order, action).await? {
        Answer::Inventory(inventory) => {
            let facts: HostFacts = inventory.facts.ok_or(Malformed::Missing("facts"))?.into();
            let mut details = context.resource.details.clone();
            if let Details::Host { spec, status } = &mut details {
                let room = spec.room(&facts);
                context.surroundings.store.set_room(host, room).await?;
                status.facts = facts;
            }
            Ok(Outcome::Done(Box::new(Changes {
                details: Some(details),
                ..Changes::default()
            })))
        }
        other => context.otherwise(host, other),
    }
}
