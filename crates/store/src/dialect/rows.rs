//! Many rows in one statement.
//!
//! A statement that lists its rows, `VALUES (…), (…), …`, has another text for each number of them:
//! the database parses and plans thousands of parameters anew each time. PostgreSQL is handed one
//! array a column instead, and one statement of one text serves any number of rows; it is prepared
//! once a connection, and a transaction sends what it writes in one piece ([`Together`]). An array of the driver holds no NULL, so a column that may be NULL marks it
//! by a value that it never holds otherwise, and the statement turns that back.
//!
//! SQLite, for which a statement is a function call away, has its rows listed.

use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::{
    ArrayType, ColumnType, Expr, ExprTrait, IntoColumnRef, OnConflict, PgFunc,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseBackend, DatabaseTransaction, DbErr,
    EntityTrait, Iden, IntoActiveModel, Iterable, PrimaryKeyToColumn, PrimaryKeyTrait, Statement,
    Value,
};

/// Stands for NULL in an array of texts. The API takes no such character.
const NO_TEXT: &str = "\u{1}";

/// Whether a column of ids is one of some.
pub(crate) fn is_one_of<C>(
    backend: DatabaseBackend,
    column: C,
    ids: impl IntoIterator<Item = Uuid>,
) -> Expr
where
    C: ColumnTrait,
{
    match backend {
        DatabaseBackend::Postgres => {
            let ids = ids.into_iter().map(Value::from).collect();
            let ids = Value::Array(ArrayType::Uuid, Some(Box::new(ids)));
            let column = Expr::col(column.as_column_ref().into_column_ref());
            column.eq(PgFunc::any(Expr::val(ids)))
        }
        _ => column.is_in(ids),
    }
}

/// Inserts rows. All of them set the same columns.
pub(crate) async fn insert<E>(
    transaction: &DatabaseTransaction,
    rows: Vec<E::ActiveModel>,
) -> Result<(), DbErr>
where
    E: EntityTrait,
    E::ActiveModel: Send,
{
    let mut together = Together::begin(transaction);
    together.insert::<E>(rows).await?;
    together.run().await
}

/// Rewrites some columns of rows that are there. Whoever calls it has locked the rows.
pub(crate) async fn rewrite<E>(
    transaction: &DatabaseTransaction,
    rows: Vec<E::ActiveModel>,
    changed: &[E::Column],
) -> Result<(), DbErr>
where
    E: EntityTrait,
    E::ActiveModel: Send,
{
    let mut together = Together::begin(transaction);
    together.rewrite::<E>(rows, changed).await?;
    together.run().await
}

/// Inserts those of some rows whose keys are not there yet, and gives the keys of these. A key that
/// another transaction has inserted is waited for. All of the rows set the same columns.
pub(crate) async fn insert_unless_there<E>(
    transaction: &DatabaseTransaction,
    rows: Vec<E::ActiveModel>,
) -> Result<Vec<PrimaryKeyOf<E>>, DbErr>
where
    E: EntityTrait,
    E::ActiveModel: Send,
    E::Model: IntoActiveModel<E::ActiveModel>,
{
    if transaction.get_database_backend() != DatabaseBackend::Postgres {
        let unless_there = OnConflict::new().do_nothing().to_owned();
        return E::insert_many(rows)
            .on_conflict(unless_there)
            .exec_with_returning_keys(transaction)
            .await;
    }
    let columns = set_columns::<E>(&rows);
    let mut text = insertion::<E>(&columns, 0);
    text.push_str(" ON CONFLICT DO NOTHING RETURNING ");
    let key: Vec<E::Column> = E::PrimaryKey::iter()
        .map(PrimaryKeyToColumn::into_column)
        .collect();
    list(&mut text, &key, quoted);
    let mut together = Together::begin(transaction);
    together.push::<E>(text, &columns, rows)?;
    let Some(statement) = together.statement() else {
        return Ok(Vec::new());
    };
    let rows = transaction.query_all_raw(statement).await?;
    rows.iter()
        .map(sea_orm::QueryResult::try_get_many_by_index)
        .collect()
}

type PrimaryKeyOf<E> = <<E as EntityTrait>::PrimaryKey as PrimaryKeyTrait>::ValueType;

/// Inserts and rewrites of several tables that go to PostgreSQL in one statement: each is a part of
/// its `WITH`, so that a transaction costs one journey for all of them. All parts see the tables as
/// they were before, so no row may occur in two of them. On SQLite they run as they come.
pub(crate) struct Together<'a> {
    transaction: &'a DatabaseTransaction,
    pub(super) parts: Vec<String>,
    pub(super) values: Vec<Value>,
}

impl<'a> Together<'a> {
    pub(crate) fn begin(transaction: &'a DatabaseTransaction) -> Self {
        Self {
            transaction,
            parts: Vec::new(),
            values: Vec::new(),
        }
    }

    /// The transaction that it is a part of.
    pub(crate) fn transaction(&self) -> &'a DatabaseTransaction {
        self.transaction
    }

    /// See [`insert`].
    pub(crate) async fn insert<E>(&mut self, rows: Vec<E::ActiveModel>) -> Result<(), DbErr>
    where
        E: EntityTrait,
        E::ActiveModel: Send,
    {
        if rows.is_empty() {
            return Ok(());
        }
        if self.transaction.get_database_backend() != DatabaseBackend::Postgres {
            E::insert_many(rows)
                .exec_without_returning(self.transaction)
                .await?;
            return Ok(());
        }
        let columns = set_columns::<E>(&rows);
        let text = insertion::<E>(&columns, self.values.len());
        self.push::<E>(text, &columns, rows)
    }

    /// See [`rewrite`].
    pub(crate) async fn rewrite<E>(
        &mut self,
        rows: Vec<E::ActiveModel>,
        changed: &[E::Column],
    ) -> Result<(), DbErr>
    where
        E: EntityTrait,
        E::ActiveModel: Send,
    {
        if rows.is_empty() {
            return Ok(());
        }
        let key: Vec<E::Column> = E::PrimaryKey::iter()
            .map(PrimaryKeyToColumn::into_column)
            .collect();
        if self.transaction.get_database_backend() != DatabaseBackend::Postgres {
            let rewrite = OnConflict::columns(key)
                .update_columns(changed.iter().copied())
                .to_owned();
            E::insert_many(rows)
                .on_conflict(rewrite)
                .exec_without_returning(self.transaction)
                .await?;
            return Ok(());
        }
        let table = quoted_name(E::default().table_name());
        let mut text = format!("UPDATE {table} SET ");
        list(&mut text, changed, |column| {
            format!("{} = {}", quoted(column), read_back(column))
        });
        let columns: Vec<E::Column> = key.iter().chain(changed).copied().collect();
        push_unnest(&mut text, &columns, self.values.len());
        for (index, column) in key.iter().enumerate() {
            let joined = if index == 0 { "WHERE" } else { "AND" };
            let column = quoted(column);
            text.push_str(&format!(" {joined} {table}.{column} = t.{column}"));
        }
        self.push::<E>(text, &columns, rows)
    }

    /// Has all of it written.
    pub(crate) async fn run(self) -> Result<(), DbErr> {
        let transaction = self.transaction;
        if let Some(statement) = self.statement() {
            transaction.execute_raw(statement).await?;
        }
        Ok(())
    }

    /// All of it as one statement, whose last part answers; none if there is nothing left to do.
    pub(super) fn statement(self) -> Option<Statement> {
        let mut parts = self.parts;
        let last = parts.pop()?;
        let mut text = String::new();
        for (number, part) in parts.iter().enumerate() {
            let joined = if number == 0 { "WITH" } else { "," };
            text.push_str(&format!("{joined} part{number} AS ({part}) "));
        }
        text.push_str(&last);
        let backend = DatabaseBackend::Postgres;
        Some(Statement::from_sql_and_values(backend, text, self.values))
    }

    fn push<E>(
        &mut self,
        text: String,
        columns: &[E::Column],
        rows: Vec<E::ActiveModel>,
    ) -> Result<(), DbErr>
    where
        E: EntityTrait,
    {
        let mut arrays: Vec<Vec<Value>> = vec![Vec::with_capacity(rows.len()); columns.len()];
        for mut row in rows {
            for (array, column) in arrays.iter_mut().zip(columns) {
                let value = row.take(*column).into_value();
                array.push(match value {
                    Some(value) if !is_null(&value) => value,
                    _ => absent(column)?,
                });
            }
        }
        for (array, column) in arrays.into_iter().zip(columns) {
            let (_, kind) = type_of(column)?;
            let array = Value::Array(kind, Some(Box::new(array)));
            self.values.push(array);
        }
        self.parts.push(text);
        Ok(())
    }
}

/// The columns that rows set, which all of them do.
fn set_columns<E: EntityTrait>(rows: &[E::ActiveModel]) -> Vec<E::Column> {
    E::Column::iter()
        .filter(|column| rows.iter().any(|row| !row.get(*column).is_not_set()))
        .collect()
}

/// An insert of rows out of arrays, with parameters after the first `given`.
fn insertion<E: EntityTrait>(columns: &[E::Column], given: usize) -> String {
    let mut text = format!("INSERT INTO {} (", quoted_name(E::default().table_name()));
    list(&mut text, columns, quoted);
    text.push_str(") SELECT ");
    list(&mut text, columns, read_back);
    push_unnest(&mut text, columns, given);
    text
}

/// ` FROM UNNEST($1::uuid[], …) AS t ("id", …)`, with parameters after the first `given`.
fn push_unnest<C: ColumnTrait>(text: &mut String, columns: &[C], given: usize) {
    text.push_str(" FROM UNNEST(");
    let mut number = given;
    list(text, columns, |column| {
        number += 1;
        let name = type_of(column).map_or("text", |(name, _)| name);
        format!("${number}::{name}[]")
    });
    text.push_str(") AS t (");
    list(text, columns, quoted);
    text.push(')');
}

/// A column of the arrays, with NULL where it is marked.
fn read_back<C: ColumnTrait>(column: &C) -> String {
    let name = quoted(column);
    if !column.def().is_null() {
        return format!("t.{name}");
    }
    let mark = match column.def().get_column_type() {
        ColumnType::Uuid => format!("'{}'::uuid", Uuid::nil()),
        ColumnType::BigInteger => format!("'{}'::bigint", i64::MIN),
        _ => format!("'{NO_TEXT}'"),
    };
    format!("NULLIF(t.{name}, {mark})")
}

/// What stands for NULL in an array.
fn absent<C: ColumnTrait>(column: &C) -> Result<Value, DbErr> {
    match column.def().get_column_type() {
        ColumnType::Uuid => Ok(Uuid::nil().into()),
        ColumnType::BigInteger => Ok(i64::MIN.into()),
        ColumnType::String(_) | ColumnType::Text => Ok(NO_TEXT.into()),
        _ => Err(unknown(column)),
    }
}

/// The type of a column in PostgreSQL, and the driver's name for arrays of it.
fn type_of<C: ColumnTrait>(column: &C) -> Result<(&'static str, ArrayType), DbErr> {
    match column.def().get_column_type() {
        ColumnType::Uuid => Ok(("uuid", ArrayType::Uuid)),
        ColumnType::String(_) | ColumnType::Text => Ok(("text", ArrayType::String)),
        ColumnType::Json | ColumnType::JsonBinary => Ok(("jsonb", ArrayType::Json)),
        ColumnType::BigInteger => Ok(("bigint", ArrayType::BigInt)),
        ColumnType::Integer => Ok(("integer", ArrayType::Int)),
        ColumnType::SmallInteger => Ok(("smallint", ArrayType::SmallInt)),
        ColumnType::Boolean => Ok(("boolean", ArrayType::Bool)),
        _ => Err(unknown(column)),
    }
}

fn unknown<C: ColumnTrait>(column: &C) -> DbErr {
    DbErr::Type(format!(
        "the column {} is of a type that is not written in arrays",
        quoted(column)
    ))
}

fn is_null(value: &Value) -> bool {
    *value == value.as_null()
}

fn list<C>(text: &mut String, columns: &[C], mut say: impl FnMut(&C) -> String) {
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        text.push_str(&say(column));
    }
}

fn quoted<C: Iden>(column: &C) -> String {
    quoted_name(column.unquoted())
}

fn quoted_name(name: &str) -> String {
    format!("\"{name}\"")
}
