//! Lists: what is asked for is what is listed, in the order that was asked for, page after page.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::SOON;
use crate::facts;
use crate::installation::{Drover, id_of};

/// All facts of this theme. They need simulated containers.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        several_filters_are_joined_by_and,
        labels_select_with_equals_in_notin_and_exists,
        pages_walk_through_a_list_in_its_order_and_each_item_is_in_one_of_them,
        what_comes_between_two_pages_is_neither_repeated_nor_pushes_anything_out,
        a_marker_of_another_order_is_refused,
        whatever_is_not_understood_is_refused_by_its_name,
        what_links_lead_to_is_shown_along,
        only_the_fields_that_are_asked_for_are_shown,
        processes_are_listed_in_the_same_language,
        a_filter_with_sixteen_kilobytes_of_ids_works,
    ]
    .hold()
    .await;
}

/// Containers that nobody starts, under a label of their own.
async fn made(drover: &Drover, theme: &str, names: &[&str]) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for name in names {
        let fields = json!({ "name": name, "start": false, "labels": { "theme": theme } });
        ids.push(drover.create(fields).await?);
    }
    Ok(ids)
}

async fn names(drover: &Drover, query: &[(&str, &str)]) -> Result<Vec<String>> {
    let listed = drover.api.list(&address("containers", query)).await?;
    let name = |one: &Value| one["name"].as_str().unwrap_or_default().to_owned();
    Ok(listed.iter().map(name).collect())
}

fn address(collection: &str, query: &[(&str, &str)]) -> String {
    let base = "http://server.invalid";
    let whole = reqwest::Url::parse_with_params(base, query);
    let query = whole.as_ref().ok().and_then(reqwest::Url::query);
    format!("/v1/{collection}?{}", query.unwrap_or_default())
}

async fn several_filters_are_joined_by_and(drover: &Drover) -> Result<()> {
    made(drover, "and", &["and-a", "and-b", "and-c", "other"]).await?;
    for (query, expected) in [
        (
            vec![("name_prefix", "and-")],
            vec!["and-a", "and-b", "and-c"],
        ),
        (
            vec![("name_prefix", "and-"), ("name_ne", "and-b")],
            vec!["and-a", "and-c"],
        ),
        (
            vec![
                ("name_like", "*nd-*"),
                ("name_gt", "and-a"),
                ("name_lte", "and-c"),
            ],
            vec!["and-b", "and-c"],
        ),
        (
            vec![("name_in", "and-a,other"), ("image_like", "*hello*")],
            vec!["and-a", "other"],
        ),
        (
            vec![("name", "and-a"), ("created_gt", "2020-01-01T00:00:00Z")],
            vec!["and-a"],
        ),
        (
            vec![("name", "and-a"), ("created_lt", "2020-01-01T00:00:00Z")],
            vec![],
        ),
        (
            vec![("name_prefix", "and-"), ("removed_null", "false")],
            vec![],
        ),
        (
            vec![("name", "and-a"), ("state", "removed,purging")],
            vec![],
        ),
    ] {
        let mut query = query;
        query.push(("labels", "theme=and"));
        let found = names(drover, &query).await?;
        ensure!(found == expected, "{query:?} lists {found:?}");
    }
    Ok(())
}

async fn labels_select_with_equals_in_notin_and_exists(drover: &Drover) -> Result<()> {
    for (name, tier) in [("one", Some("a")), ("two", Some("b")), ("three", None)] {
        let mut labels = json!({ "theme": "labels" });
        if let Some(tier) = tier {
            labels["tier"] = json!(tier);
        }
        let fields = json!({ "name": name, "start": false, "labels": labels });
        drover.create(fields).await?;
    }
    for (selector, expected) in [
        ("tier=a", vec!["one"]),
        ("tier!=a", vec!["two", "three"]),
        ("tier in (a, b)", vec!["one", "two"]),
        ("tier notin (b)", vec!["one", "three"]),
        ("tier", vec!["one", "two"]),
        ("!tier", vec!["three"]),
        ("tier,tier!=b", vec!["one"]),
    ] {
        let query = [("labels", "theme=labels"), ("labels", selector)];
        let found = names(drover, &query).await?;
        ensure!(found == expected, "`{selector}` selects {found:?}");
    }
    Ok(())
}

/// Walks through the pages of a list by their links; after each of the first ones, more containers come.
async fn walk(drover: &Drover, first: &str, between: Option<&str>) -> Result<Vec<Value>> {
    let mut items = Vec::new();
    let mut next = Some(first.to_owned());
    while let Some(path) = next {
        let page = drover.api.get(&path).await?.expect(200)?;
        items.extend(
            page["data"]
                .as_array()
                .cloned()
                .context("a page has data")?,
        );
        ensure!(items.len() < 1_000, "the list has no end");
        next = page["links"]["next"].as_str().map(str::to_owned);
        ensure!(
            next.is_some() == page["pagination"]["next"].is_string(),
            "link and marker disagree: {}",
            page["pagination"]
        );
        // A list into which more comes than a page has may never end.
        if let (Some(name), Some(_), true) = (between, &next, items.len() < 7) {
            made(drover, "later", &[name, name]).await?;
        }
    }
    Ok(items)
}

fn key(items: &[Value], field: &str) -> Vec<String> {
    let text = |one: &Value| one[field].as_str().unwrap_or_default().to_owned();
    items.iter().map(text).collect()
}

async fn pages_walk_through_a_list_in_its_order_and_each_item_is_in_one_of_them(
    drover: &Drover,
) -> Result<()> {
    let equal = ["same", "same", "b", "a", "same", "c", "same"];
    let ids = made(drover, "pages", &equal).await?;
    let by_name = ["a", "b", "c", "same", "same", "same", "same"];
    for (sort, field) in [
        ("name", "name"),
        ("-name", "name"),
        ("created", "id"),
        ("-id", "id"),
    ] {
        let query = [("labels", "theme=pages"), ("sort", sort), ("limit", "2")];
        let items = walk(drover, &address("containers", &query), None).await?;
        let mut expected: Vec<String> = match field {
            "name" => by_name.map(str::to_owned).to_vec(),
            _ => ids.clone(),
        };
        if sort.starts_with('-') {
            expected.reverse();
        }
        ensure!(
            key(&items, field) == expected,
            "by {sort}: {:?}",
            key(&items, field)
        );
        let mut seen = key(&items, "id");
        seen.sort();
        let mut all = ids.clone();
        all.sort();
        ensure!(seen == all, "by {sort} some are missing or twice");
    }
    Ok(())
}

async fn what_comes_between_two_pages_is_neither_repeated_nor_pushes_anything_out(
    drover: &Drover,
) -> Result<()> {
    let names = ["p1", "p3", "p5", "p7", "p9", "p11"];
    let ids = made(drover, "between", &names).await?;
    for sort in ["name", "-name", "created", "-created"] {
        let query = [
            ("labels", "theme in (between,later)"),
            ("sort", sort),
            ("limit", "2"),
        ];
        // What comes sorts among what was there.
        let items = walk(drover, &address("containers", &query), Some("p4")).await?;
        let mut seen = key(&items, "id");
        let count = seen.len();
        seen.sort();
        seen.dedup();
        ensure!(seen.len() == count, "by {sort} something is repeated");
        let missing = ids.iter().find(|id| !seen.contains(id));
        ensure!(missing.is_none(), "by {sort} {missing:?} is skipped");
    }
    Ok(())
}

async fn a_marker_of_another_order_is_refused(drover: &Drover) -> Result<()> {
    made(drover, "marker", &["a", "b"]).await?;
    let query = [("labels", "theme=marker"), ("limit", "1"), ("sort", "name")];
    let page = drover
        .api
        .get(&address("containers", &query))
        .await?
        .expect(200)?;
    let marker = page["pagination"]["next"].as_str().context("a next page")?;
    let query = [("limit", "1"), ("sort", "-name"), ("marker", marker)];
    let refused = drover.api.get(&address("containers", &query)).await?;
    let problem = refused.problem(400, "query")?;
    ensure!(
        problem["field"] == "marker",
        "it names {}",
        problem["field"]
    );
    Ok(())
}

async fn whatever_is_not_understood_is_refused_by_its_name(drover: &Drover) -> Result<()> {
    for (collection, name, value) in [
        ("containers", "colour", "red"),
        ("containers", "name_null", "true"),
        ("containers", "state", "flying"),
        ("containers", "state_like", "run*"),
        ("containers", "created", "yesterday"),
        ("containers", "projectId", "mine"),
        ("containers", "limit", "1001"),
        ("containers", "limit", "none"),
        ("containers", "sort", "state"),
        ("containers", "marker", "again"),
        ("containers", "labels", "a in b"),
        ("containers", "include", "planet"),
        ("containers", "fields", "colour"),
        ("containers", "name", "a\0b"),
        ("hosts", "image", "x"),
        ("processes", "labels", "a=b"),
        ("processes", "name", "fly"),
    ] {
        let reply = drover
            .api
            .get(&address(collection, &[(name, value)]))
            .await?;
        let problem = reply
            .problem(400, "query")
            .with_context(|| format!("{name}={value}"))?;
        ensure!(
            problem["field"] == name,
            "{name} is called {}",
            problem["field"]
        );
    }
    Ok(())
}

async fn what_links_lead_to_is_shown_along(drover: &Drover) -> Result<()> {
    let fields = json!({ "name": "included", "labels": { "theme": "include" } });
    let id = drover.run(fields, SOON).await?;
    let path = format!("/v1/containers/{id}?include=host,project,process");
    let one = drover.api.get(&path);
    let one = one.await?.expect(200)?;
    ensure!(
        one["included"]["host"]["id"] == one["hostId"],
        "the host is {}",
        one["included"]
    );
    ensure!(
        one["included"]["host"]["reserved"].is_object(),
        "a host shows its room"
    );
    ensure!(
        one["included"]["project"]["type"] == "project",
        "no project"
    );
    ensure!(
        one["included"]["process"].is_null(),
        "nothing is at work on it"
    );
    let listed = drover
        .api
        .list("/v1/containers?labels=theme%3Dinclude&include=host")
        .await?;
    let host = listed.first().map(|one| &one["included"]["host"]["id"]);
    ensure!(host == Some(&one["hostId"]), "in a list: {host:?}");
    let hosts = drover.api.list("/v1/hosts?include=agent").await?;
    ensure!(
        hosts
            .iter()
            .all(|host| host["included"]["agent"]["id"] == host["agentId"]),
        "each host shows its agent"
    );
    let path = format!("/v1/processes?resourceId={id}&include=resource");
    let processes = drover.api.list(&path);
    let processes = processes.await?;
    ensure!(
        processes
            .iter()
            .all(|process| process["included"]["resource"]["id"] == json!(id)),
        "each process shows its resource"
    );
    Ok(())
}

async fn only_the_fields_that_are_asked_for_are_shown(drover: &Drover) -> Result<()> {
    let ids = made(drover, "fields", &["masked"]).await?;
    let id = ids.first().context("a container")?;
    let expected = ["id", "image", "name", "type"];
    let path = format!("/v1/containers/{id}?fields=name,image");
    let one = drover.api.get(&path);
    let one = one.await?.expect(200)?;
    let listed = drover
        .api
        .list("/v1/containers?labels=theme%3Dfields&fields=image,name")
        .await?;
    for shown in [Some(&one), listed.first()] {
        let shown = shown.and_then(Value::as_object).context("an item")?;
        let mut keys: Vec<&str> = shown.keys().map(String::as_str).collect();
        keys.sort_unstable();
        ensure!(keys == expected, "it shows {keys:?}");
    }
    Ok(())
}

async fn processes_are_listed_in_the_same_language(drover: &Drover) -> Result<()> {
    let fields = json!({ "labels": { "theme": "processes" } });
    let id = drover.run(fields, SOON).await?;
    let list = async |query: &[(&str, &str)]| -> Result<Vec<String>> {
        let mut query = query.to_vec();
        query.push(("resourceId", &id));
        let items = drover.api.list(&address("processes", &query)).await?;
        Ok(key(&items, "name"))
    };
    for (query, expected) in [
        (vec![], vec!["create", "start"]),
        (vec![("sort", "-id")], vec!["start", "create"]),
        (
            vec![("name_ne", "create"), ("finished_null", "false")],
            vec!["start"],
        ),
        (
            vec![("phase", "done,running"), ("resourceType", "container")],
            vec!["create", "start"],
        ),
        (vec![("phase_in", "failed")], vec![]),
        (vec![("parentId_null", "false")], vec![]),
    ] {
        let found = list(&query).await?;
        ensure!(found == expected, "{query:?} lists {found:?}");
    }
    Ok(())
}

async fn a_filter_with_sixteen_kilobytes_of_ids_works(drover: &Drover) -> Result<()> {
    let ids = made(drover, "long", &["long"]).await?;
    let id = ids.first().context("a container")?;
    let nobody = "01890000-0000-7000-8000-000000000000";
    let mut many = vec![nobody; 420];
    many.push(id);
    let path = format!("/v1/containers?id_in={}", many.join(","));
    ensure!(path.len() > 15_500, "only {} bytes", path.len());
    let listed = drover.api.list(&path).await?;
    let found = listed.iter().map(id_of).collect::<Result<Vec<_>>>()?;
    ensure!(found == [id.clone()], "it lists {found:?}");
    Ok(())
}
