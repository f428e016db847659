//! Images and credentials for registries as tables.

use drover_domain::Timestamp;

use super::table::{Field, Look, draw};
use super::{IdLength, span};
use crate::client::views::{Image, RegistryCredential};

/// A table of images, with how many of their hosts have them.
pub fn table(mut list: Vec<Image>, now: Timestamp, ids: IdLength, look: Look) -> String {
    list.sort_by(|left, right| (&left.image, &left.id).cmp(&(&right.image, &right.id)));
    let rows = list.iter().map(|one| {
        vec![
            one.image.as_str().into(),
            ids.of(&one.id).into(),
            Field::State(one.state.clone()),
            format!("{} of {}", one.fetched, one.hosts).into(),
            span::age(one.created, now).into(),
        ]
    });
    let header = &["IMAGE", "ID", "STATE", "HOSTS", "AGE"];
    draw(header, rows.collect(), look)
}

/// A table of credentials.
pub fn credentials(
    mut list: Vec<RegistryCredential>,
    now: Timestamp,
    ids: IdLength,
    look: Look,
) -> String {
    list.sort_by(|left, right| (&left.registry, &left.id).cmp(&(&right.registry, &right.id)));
    let rows = list.iter().map(|one| {
        vec![
            one.registry.as_str().into(),
            one.username.as_str().into(),
            ids.of(&one.id).into(),
            span::age(one.created, now).into(),
        ]
    });
    draw(&["REGISTRY", "USERNAME", "ID", "AGE"], rows.collect(), look)
}
