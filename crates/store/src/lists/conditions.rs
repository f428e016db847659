//! Conditions as SQL. Every value is a parameter; what is written into the text are names of columns
//! and fields, which come from the tables of the domain.

use drover_domain::listing::{Condition, Operand, Subject, Test};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{DatabaseBackend, EntityTrait, IntoSimpleExpr, Value};

use crate::dialect::{self, Inside};
use crate::entities::{process, resource};

/// Where a table has what a condition is about.
pub(super) enum Place<C> {
    /// In a column.
    Column(C),
    /// In a field of a JSON column.
    Inside(C, &'static str),
    /// In a field of any item of a list in a JSON column.
    Among(C, &'static str, &'static str),
    /// Nowhere: it is null in every row.
    Nowhere,
}

/// A table that is listed.
pub(super) trait Listable: EntityTrait {
    fn place(subject: Subject) -> Place<Self::Column>;
}

impl Listable for resource::Entity {
    fn place(subject: Subject) -> Place<resource::Column> {
        use resource::Column;
        Place::Column(match subject {
            Subject::Id => Column::Id,
            Subject::Name => Column::Name,
            Subject::Project => Column::ProjectId,
            Subject::Created => Column::CreatedAt,
            Subject::Description => Column::Description,
            Subject::State => Column::State,
            Subject::Host => Column::HostId,
            Subject::Updated => Column::UpdatedAt,
            Subject::Removed => Column::RemovedAt,
            Subject::ResourceType => Column::ResourceType,
            Subject::Spec(field) => return Place::Inside(Column::Spec, field),
            Subject::Status(field) => return Place::Inside(Column::Status, field),
            Subject::Among(list, field) => return Place::Among(Column::Spec, list, field),
            Subject::Phase
            | Subject::Resource
            | Subject::Parent
            | Subject::Started
            | Subject::Finished => return Place::Nowhere,
        })
    }
}

impl Listable for process::Entity {
    fn place(subject: Subject) -> Place<process::Column> {
        use process::Column;
        Place::Column(match subject {
            Subject::Id => Column::Id,
            Subject::Name => Column::Request,
            Subject::Project => Column::ProjectId,
            Subject::Created => Column::CreatedAt,
            Subject::Phase => Column::Phase,
            Subject::ResourceType => Column::ResourceType,
            Subject::Resource => Column::ResourceId,
            Subject::Parent => Column::ParentId,
            Subject::Started => Column::StartedAt,
            Subject::Finished => Column::FinishedAt,
            Subject::Description
            | Subject::State
            | Subject::Host
            | Subject::Updated
            | Subject::Removed
            | Subject::Spec(_)
            | Subject::Status(_)
            | Subject::Among(..) => return Place::Nowhere,
        })
    }
}

/// The column of a subject, to order by.
pub(super) fn column<E: Listable>(subject: Subject) -> Expr {
    match E::place(subject) {
        Place::Column(column) => column.into_simple_expr(),
        Place::Inside(..) | Place::Among(..) | Place::Nowhere => Expr::cust("NULL"),
    }
}

/// A condition.
pub(super) fn condition<E: Listable>(backend: DatabaseBackend, condition: &Condition) -> Expr {
    let place = E::place(condition.subject);
    if let (Place::Among(column, list, field), Test::Equals(Operand::Text(text))) =
        (&place, &condition.test)
    {
        return dialect::is_among(backend, column, (list, field), text);
    }
    let is_inside = matches!(place, Place::Inside(..));
    // What stands in JSON is read as what it is compared with.
    let left = |kind: Inside| match &place {
        Place::Column(column) => column.into_simple_expr(),
        Place::Inside(column, field) => dialect::inside(backend, column, field, kind),
        Place::Among(..) | Place::Nowhere => Expr::cust("NULL"),
    };
    let of = |operand: &Operand| left(kind(operand));
    let value = |operand: &Operand| value(operand, is_inside);
    let one_of = |operands: &[Operand]| match operands {
        // A comparison is what an index gives in order.
        [one] => of(one).eq(value(one)),
        several => {
            let kind = several.first().map_or(Inside::Text, kind);
            left(kind).is_in(several.iter().map(value))
        }
    };
    match &condition.test {
        Test::Equals(operand) => of(operand).eq(value(operand)),
        Test::Differs(operand) => {
            let differs = of(operand).ne(value(operand));
            differs.or(of(operand).is_null())
        }
        Test::OneOf(operands) => one_of(operands),
        Test::OneOfOrNull(operands) => one_of(operands).or(left(Inside::Text).is_null()),
        Test::Like(pattern) => dialect::matches(backend, left(Inside::Text), pattern),
        Test::Prefix(prefix) => {
            let from = left(Inside::Text).gte(prefix.as_str());
            match after_all_that_begin(prefix) {
                Some(end) => from.and(left(Inside::Text).lt(end)),
                None => from,
            }
        }
        Test::Greater(operand) => of(operand).gt(value(operand)),
        Test::AtLeast(operand) => of(operand).gte(value(operand)),
        Test::Less(operand) => of(operand).lt(value(operand)),
        Test::AtMost(operand) => of(operand).lte(value(operand)),
        Test::IsNull => left(Inside::Text).is_null(),
        Test::IsNotNull => left(Inside::Text).is_not_null(),
    }
}

fn kind(operand: &Operand) -> Inside {
    match operand {
        Operand::Id(_) | Operand::Text(_) | Operand::Moment(_) => Inside::Text,
        Operand::Number(_) => Inside::Number,
        Operand::Flag(_) => Inside::Flag,
    }
}

fn value(operand: &Operand, is_inside: bool) -> Value {
    match operand {
        Operand::Id(id) if is_inside => id.to_string().into(),
        Operand::Id(id) => (*id).into(),
        Operand::Text(text) => text.as_str().into(),
        Operand::Moment(moment) if is_inside => moment.to_string().into(),
        Operand::Moment(moment) => moment.millis().into(),
        Operand::Number(number) => (*number).into(),
        Operand::Flag(flag) => (*flag).into(),
    }
}

/// The least text that comes after all that begin with a prefix, in the order of their characters; none
/// if every text that is not less begins with it. Texts are ordered so in both databases, so a prefix is a
/// range, which an index serves.
fn after_all_that_begin(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        let next = match last {
            // What would come next is no character.
            '\u{D7FF}' => Some('\u{E000}'),
            char::MAX => None,
            other => char::from_u32(u32::from(other) + 1),
        };
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_with_a_prefix_lies_before_its_end() {
        for (prefix, end) in [
            ("web", Some("wec")),
            ("a\u{10FFFF}", Some("b")),
            ("\u{D7FF}", Some("\u{E000}")),
            ("\u{10FFFF}", None),
            ("", None),
        ] {
            assert_eq!(after_all_that_begin(prefix).as_deref(), end, "{prefix:?}");
        }
    }
}
