//! Lists: what passes a selection, in its order, a page at a time.
//!
//! A page begins after the last item of the one before, by the value that orders the list and, among
//! equals, by the id ([`Marker`]). So a page costs the same however far down the list it is, and what
//! others insert or remove meanwhile moves nothing: an item that was there all the time is in exactly
//! one page. One query reads a page, with one item more than is asked for, which tells whether there is
//! a next one.
//!
//! The orders are those that an index serves within a type: by id, name and moment of creation; and
//! by id within one project, so that the list of a small project reads none of the others. Filters by
//! anything else look at the items in that order until the page is full: what is rare costs as many
//! rows as there are. Labels of a given value have an index of their own on PostgreSQL.

mod conditions;
mod marker;

use drover_domain::listing::{Listed, Selection};
use drover_domain::{Process, Resource, ResourceType};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, DatabaseBackend, EntityTrait, FromQueryResult, Order as Direction, QueryFilter,
    QueryOrder, QueryTrait, Select, Statement,
};

pub use marker::Marker;

use crate::entities::{Direct, process, resource};
use crate::{Store, StoreError};
use conditions::{Listable, condition};

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// Where the next page begins, if there is one.
    pub next: Option<Marker>,
}

impl Store {
    /// The resources of a type that pass a selection: those after a marker, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn list_resources(
        &self,
        resource_type: ResourceType,
        selection: &Selection,
        after: Option<&Marker>,
        limit: u64,
    ) -> Result<Page<Resource>, StoreError> {
        use resource::Column;
        let backend = self.reader.get_database_backend();
        let mut query =
            resource::Entity::find().filter(Column::ResourceType.eq(resource_type.as_str()));
        if !selection.with_removed {
            query = query.filter(Column::RemovedAt.is_null());
        }
        for requirement in selection.labels.requirements() {
            query = query.filter(crate::dialect::meets(backend, requirement));
        }
        let query = in_order(selected(query, selection, backend), selection, after);
        let rows = Direct::find_by_statement(first(query, backend, limit));
        let rows = rows.all(&self.reader).await?;
        let items: Result<Vec<Resource>, StoreError> =
            rows.into_iter().map(|row| row.read).collect();
        Ok(page(items?, limit, |last| {
            Marker::after_resource(selection.order, last)
        }))
    }

    /// The processes that pass a selection: those after a marker, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn list_processes(
        &self,
        selection: &Selection,
        after: Option<&Marker>,
        limit: u64,
    ) -> Result<Page<Process>, StoreError> {
        let backend = self.reader.get_database_backend();
        let query = selected(process::Entity::find(), selection, backend);
        let query = in_order(query, selection, after);
        let rows = process::Model::find_by_statement(first(query, backend, limit));
        let rows = rows.all(&self.reader).await?;
        let items: Result<Vec<Process>, StoreError> =
            rows.into_iter().map(Process::try_from).collect();
        Ok(page(items?, limit, |last| {
            Marker::after_process(selection.order, last)
        }))
    }
}

fn selected<E: Listable>(
    query: Select<E>,
    selection: &Selection,
    backend: DatabaseBackend,
) -> Select<E> {
    let conditions = selection.conditions.iter();
    conditions.fold(query, |query, asked| {
        query.filter(condition::<E>(backend, asked))
    })
}

fn in_order<E: Listable>(
    query: Select<E>,
    selection: &Selection,
    after: Option<&Marker>,
) -> Select<E> {
    let order = selection.order;
    let direction = match order.descends {
        true => Direction::Desc,
        false => Direction::Asc,
    };
    let id = conditions::column::<E>(Listed::Process.id().subject);
    let is_by_id = order.field.subject == Listed::Process.id().subject;
    let by = conditions::column::<E>(order.field.subject);
    let query = match after {
        None => query,
        Some(marker) => {
            let last = Expr::val(marker.id());
            let (place, last) = match marker.key() {
                Some(key) => (
                    Expr::tuple([by.clone(), id.clone()]),
                    Expr::tuple([Expr::val(key), last]),
                ),
                None => (id.clone(), last),
            };
            query.filter(match order.descends {
                true => place.lt(last),
                false => place.gt(last),
            })
        }
    };
    let query = match is_by_id {
        true => query,
        false => query.order_by(by, direction.clone()),
    };
    query.order_by(id, direction)
}

/// The first rows of a query: one more than is asked for, which tells whether there is a next page. How
/// many is written out: PostgreSQL, were it a parameter, could not plan the query once for all pages, and
/// to plan it costs more than to run it.
fn first<E: Listable>(query: Select<E>, backend: DatabaseBackend, limit: u64) -> Statement {
    let mut statement = query.build(backend);
    let text = format!(" LIMIT {}", limit.saturating_add(1));
    statement.sql.push_str(&text);
    statement
}

fn page<T>(mut items: Vec<T>, limit: u64, marker: impl FnOnce(&T) -> Marker) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| has_more).map(marker);
    Page { items, next }
}
