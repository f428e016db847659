//! What every type of resource has in common: a collection, its members, and, where its lifecycle
//! offers actions, these and the removal.

use std::sync::Arc;

use aide::axum::routing::{delete_with, get_with, post_with};
use axum::extract::State;
use axum::http::Uri;
use drover_domain::lifecycle::{self, Request};

use super::{Id, reading};
use crate::Shared;
use crate::authorization::Caller;
use crate::conditional::{Known, Precondition};
use crate::intents;
use crate::problem::catalogue::{CONFLICT, IN_USE, STATE};
use crate::query::{Force, ListOf, OneOf, Preferred, Strict};
use crate::recording::Repeatable;
use crate::representation::{Kind, Shown};
use crate::routes::{Needs, Routes, about};

type Stated = State<Arc<Shared>>;

/// The addresses of a type: those to read, and those of its actions if it has any.
pub(crate) fn routes<K: Kind>(routes: Routes) -> Routes {
    let collection = format!("/{}", K::TYPE.plural());
    let member = format!("{collection}/{{id}}");
    let to_see = Needs::to_see(K::TYPE);
    let list = about(
        to_see,
        K::NAMES,
        format!("list{}", K::NAMES),
        format!("Lists {}", K::TYPE.plural()),
    );
    let read = about(
        to_see,
        K::NAMES,
        format!("read{}", K::NAME),
        format!("Reads one {}", K::TYPE),
    );
    let routes =
        routes
            .on(&collection, list, |about| {
                get_with(
                    |State(shared): Stated,
                     caller: Caller,
                     query: ListOf<Shown<K>>,
                     address: Uri| async move {
                        reading::list::<K>(&shared, &caller, query.listing, &address).await
                    },
                    |operation| about.describe(operation),
                )
            })
            .on(&member, read, |about| {
                get_with(
                    |State(shared): Stated,
                     caller: Caller,
                     Id(id): Id,
                     query: OneOf<Shown<K>>,
                     known: Known| async move {
                        reading::read::<K>(&shared, &caller, id, &query.shown, known).await
                    },
                    |operation| about.describe(operation),
                )
            });
    let actions = lifecycle::of(K::TYPE)
        .processes
        .iter()
        .filter(|definition| definition.is_action)
        .map(|definition| definition.request);
    actions.fold(routes, |routes, request| {
        let routes = action::<K>(routes, &member, request);
        match request {
            Request::Remove => removal::<K>(routes, &member),
            _ => routes,
        }
    })
}

fn action<K: Kind>(routes: Routes, member: &str, request: Request) -> Routes {
    let about = about(
        Needs::to_change(K::TYPE),
        K::NAMES,
        format!("{request}{}", K::NAME),
        format!("Asks a {} to {request}", K::TYPE),
    );
    let about = about.fails(&[&STATE, &CONFLICT, &IN_USE]);
    routes.on(&format!("{member}/{request}"), about, |about| {
        post_with(
            move |State(shared): Stated,
                  caller: Caller,
                  Id(id): Id,
                  Strict(Force { force }): Strict<Force>,
                  _: Repeatable,
                  preferred: Preferred,
                  read: Precondition| async move {
                intents::change::<K>(&shared, &caller, preferred, &read, id, request, force).await
            },
            |operation| about.describe(operation),
        )
    })
}

fn removal<K: Kind>(routes: Routes, member: &str) -> Routes {
    let about = about(
        Needs::to_change(K::TYPE),
        K::NAMES,
        format!("delete{}", K::NAME),
        format!("Asks a {} to remove, as the action does", K::TYPE),
    );
    let about = about.fails(&[&STATE, &CONFLICT, &IN_USE]);
    routes.on(member, about, |about| {
        delete_with(
            |State(shared): Stated,
             caller: Caller,
             Id(id): Id,
             Strict(Force { force }): Strict<Force>,
             preferred: Preferred,
             read: Precondition| async move {
                let remove = Request::Remove;
                intents::change::<K>(&shared, &caller, preferred, &read, id, remove, force).await
            },
            |operation| about.describe(operation),
        )
    })
}
