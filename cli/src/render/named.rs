//! Volumes and networks as a table.

use drover_domain::Timestamp;

use super::table::{Field, Look, draw};
use super::{IdLength, span};
use crate::client::views::Named;

/// A table of volumes, which live on hosts, or of networks, which do not.
pub fn table(
    mut list: Vec<Named>,
    with_hosts: bool,
    now: Timestamp,
    ids: IdLength,
    look: Look,
) -> String {
    list.sort_by(|left, right| (&left.name, &left.id).cmp(&(&right.name, &right.id)));
    let rows = list.iter().map(|one| {
        let mut row: Vec<Field> = vec![
            one.name.as_str().into(),
            ids.of(&one.id).into(),
            Field::State(one.state.clone()),
        ];
        if with_hosts {
            let host = one.host_id.as_deref().map(|host| ids.of(host));
            row.push(host.unwrap_or_default().into());
        }
        row.push(span::age(one.created, now).into());
        row
    });
    let header: &[&str] = match with_hosts {
        true => &["NAME", "ID", "STATE", "HOST", "AGE"],
        false => &["NAME", "ID", "STATE", "AGE"],
    };
    draw(header, rows.collect(), look)
}
