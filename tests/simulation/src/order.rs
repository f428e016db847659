//! Commands as agents understand them, and the replies to them.

use std::time::Duration;

use drover_domain::{Fence, ResourceRef, Timestamp};
use drover_proto::v1::command::Action;
use drover_proto::v1::failure::Code;
use drover_proto::v1::{Command, Failure, Reply, reply};

use crate::locks::short;

/// A command that was admitted.
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) resource: ResourceRef,
    pub(crate) fence: Fence,
    pub(crate) action: Action,
    /// How long its sender waits, and since when.
    pub(crate) patience: Duration,
    pub(crate) came: Timestamp,
}
impl Order {
    pub(crate) fn describe(&self) -> String {
        let action = match &self.action {
            Action::Ping(_) => "ping",
            Action::TakeInventory(_) => "take inventory of",
            Action::CreateContainer(_) => "create",
            Action::StartContainer(_) => "start",
            Action::StopContainer(_) => "stop",
            Action::RemoveContainer(_) => "remove",
            Action::InspectContainer(_) => "inspect",
            Action::MakeVolume(_) => "make volume",
            Action::RemoveVolume(_) => "remove volume",
            Action::PullImage(_) => "pull image",
            Action::OpenStream(_) => "open a stream to",
            Action::TakeStats(_) => "take stats of",
            Action::RotateCredential(_) => "rotate the credential of",
        };
        format!("{action} {} at {}", self.resource.id, short(self.fence))
    }

    pub(crate) fn is_change(&self) -> bool {
        !matches!(
            self.action,
            Action::Ping(_)
                | Action::TakeInventory(_)
                | Action::InspectContainer(_)
                | Action::TakeStats(_)
                | Action::RotateCredential(_)
        )
    }

    pub(crate) fn is_to_end(&self) -> bool {
        matches!(
            self.action,
            Action::StopContainer(_) | Action::RemoveContainer(_)
        )
    }
}

/// A command, if it can be understood.
pub(crate) fn understand(command: Command, came: Timestamp) -> Option<Order> {
    let resource = drover_proto::resource(command.resource.as_ref()).ok()?;
    let patience = u64::try_from(command.timeout_millis).ok()?;
    Some(Order {
        id: command.id,
        resource,
        fence: Fence::from_raw(command.fence),
        action: command.action?,
        patience: Duration::from_millis(patience),
        came,
    })
}

pub(crate) fn done(order: &Order, result: reply::Result) -> Reply {
    Reply {
        command_id: order.id.clone(),
        result: Some(result),
    }
}

pub(crate) fn failed(order: &Order, code: Code, message: &str) -> Reply {
    let failure = Failure {
        code: code.into(),
        message: message.to_owned(),
    };
    done(order, reply::Result::Failure(failure))
}

pub(crate) fn stale(order: &Order, highest: Fence) -> Reply {
    let message = format!("the highest fence is {}", short(highest));
    failed(order, Code::StaleFence, &message)
}
