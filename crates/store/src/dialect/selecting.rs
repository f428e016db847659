//! Filters that the databases say differently: patterns, fields of JSON, labels.
//!
//! Texts are compared by their characters in both: PostgreSQL by the collation `"C"`, which columns that
//! are compared so have, and SQLite by itself. Letters of either case differ, so SQLite matches patterns
//! with `GLOB` and not with its `LIKE`.

use drover_domain::listing::Pattern;
use drover_domain::selector::Requirement;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{DatabaseBackend, IntoSimpleExpr, Value};
use serde_json::json;

use crate::entities::resource;

/// As what a field of JSON is read.
#[derive(Clone, Copy)]
pub(crate) enum Inside {
    /// As text.
    Text,
    /// As a whole number.
    Number,
    /// As true or false.
    Flag,
}

/// A field of a JSON column; null if it is absent or null. The name of the field is one that stands in
/// the code.
pub(crate) fn inside(
    backend: DatabaseBackend,
    column: &(impl IntoSimpleExpr + Clone),
    field: &'static str,
    kind: Inside,
) -> Expr {
    let column = column.clone().into_simple_expr();
    if backend != DatabaseBackend::Postgres {
        let text = format!("json_extract(?, '$.{field}')");
        return Expr::cust_with_exprs(text, [column]);
    }
    let text = match kind {
        Inside::Text => format!("($1 ->> '{field}') COLLATE \"C\""),
        Inside::Number => format!("($1 ->> '{field}')::bigint"),
        Inside::Flag => format!("($1 ->> '{field}')::boolean"),
    };
    Expr::cust_with_exprs(text, [column])
}

/// Whether a field of any item of a list in a JSON column is a text. The names of list and field stand in
/// the code.
pub(crate) fn is_among(
    backend: DatabaseBackend,
    column: &(impl IntoSimpleExpr + Clone),
    (list, field): (&'static str, &'static str),
    text: &str,
) -> Expr {
    let column = column.clone().into_simple_expr();
    if backend == DatabaseBackend::Postgres {
        let item = Expr::val(Value::Json(Some(Box::new(json!([{ field: text }])))));
        let contains = format!("(($1 -> '{list}') @> $2)");
        return Expr::cust_with_exprs(contains, [column, item]);
    }
    let contains = format!(
        "EXISTS (SELECT 1 FROM json_each(?, '$.{list}') AS item \
         WHERE json_extract(item.value, '$.{field}') = ?)"
    );
    Expr::cust_with_exprs(contains, [column, Expr::val(text)])
}

/// Whether a text matches a pattern.
pub(crate) fn matches(backend: DatabaseBackend, text: Expr, pattern: &Pattern) -> Expr {
    let Pattern(parts) = pattern;
    if backend == DatabaseBackend::Postgres {
        let escaped = parts
            .iter()
            .map(|part| escape(part, &['%', '_', '\\'], "\\", ""));
        let pattern = escaped.collect::<Vec<_>>().join("%");
        return Expr::cust_with_exprs("($1 LIKE $2)", [text, Expr::val(pattern)]);
    }
    let escaped = parts
        .iter()
        .map(|part| escape(part, &['*', '?', '['], "[", "]"));
    let pattern = escaped.collect::<Vec<_>>().join("*");
    Expr::cust_with_exprs("(? GLOB ?)", [text, Expr::val(pattern)])
}

fn escape(text: &str, special: &[char], before: &str, after: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if special.contains(&character) {
            escaped.push_str(before);
            escaped.push(character);
            escaped.push_str(after);
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Whether the labels of a resource meet a requirement.
pub(crate) fn meets(backend: DatabaseBackend, requirement: &Requirement) -> Expr {
    let is_postgres = backend == DatabaseBackend::Postgres;
    // The value of the label, null if there is no such label.
    let own = |key: &str| {
        let labels = resource::Column::Labels.into_simple_expr();
        // A path of SQLite cannot hold every key, so the labels are gone through.
        let text = match is_postgres {
            true => "($1 ->> $2::text)",
            false => "(SELECT label.value FROM json_each(?) AS label WHERE label.key = ?)",
        };
        Expr::cust_with_exprs(text, [labels, Expr::val(key)])
    };
    match requirement {
        Requirement::Equals(key, value) if is_postgres => has(key, value),
        Requirement::Equals(key, value) => own(key).eq(value.as_str()),
        Requirement::Differs(key, value) => own(key).ne(value.as_str()).or(own(key).is_null()),
        Requirement::OneOf(key, values) if is_postgres => values
            .iter()
            .map(|value| has(key, value))
            .reduce(ExprTrait::or)
            .unwrap_or_else(|| Expr::cust("FALSE")),
        Requirement::OneOf(key, values) => own(key).is_in(values.iter().map(String::as_str)),
        Requirement::NoneOf(key, values) => {
            let none = own(key).is_not_in(values.iter().map(String::as_str));
            none.or(own(key).is_null())
        }
        Requirement::Exists(key) => own(key).is_not_null(),
        Requirement::Absent(key) => own(key).is_null(),
    }
}

/// That a label has a value, said to PostgreSQL in the words of the index over labels, which leaves out
/// resources without any.
fn has(key: &str, value: &str) -> Expr {
    let labels = || resource::Column::Labels.into_simple_expr();
    let label = Expr::val(Value::Json(Some(Box::new(json!({ key: value })))));
    Expr::cust_with_exprs(
        "($1 @> $2 AND $3 <> '{}'::jsonb)",
        [labels(), label, labels()],
    )
}
