//! Lists: every test of every kind of field, labels, orders, and pages that join up whatever happens
//! between them.

use std::collections::BTreeMap;

use drover_domain::lifecycle::Request;

use drover_domain::listing::{Listed, Listing};
use drover_domain::resource::{AccountSpec, AccountStatus, Details};
use drover_domain::{Process, Resource, ResourceId, ResourceType, Selector, State};
use drover_store::{Marker, Page, fresh};

use crate::support::{NOW, World, at, container, resource, to_change, to_create};

facts! {
    names_are_tested_by_every_modifier,
    moments_numbers_ids_and_flags_are_tested_as_what_they_are,
    what_has_no_value_differs_from_every_value,
    conditions_are_joined_by_and,
    labels_select_as_the_domain_says,
    values_that_look_like_sql_are_values,
    a_list_is_in_its_order_and_the_id_decides_among_equals,
    pages_join_up_in_every_order,
    pages_neither_repeat_nor_skip_while_others_insert_and_remove,
    processes_have_the_same_language,
    several_are_read_by_their_ids_in_one_query,
    readers_who_come_together_each_get_their_own,
}

fn listing(listed: Listed, query: &[(&str, &str)]) -> Listing {
    Listing::parse(listed, query.iter().copied()).unwrap()
}

async fn page(world: &World, query: &[(&str, &str)]) -> Page<Resource> {
    page_of(world, ResourceType::Container, query).await
}

async fn page_of(world: &World, of: ResourceType, query: &[(&str, &str)]) -> Page<Resource> {
    let listing = listing(Listed::Resource(of), query);
    let order = listing.selection.order;
    let marker = listing.marker.as_deref();
    let after = marker.map(|marker| Marker::parse(marker, order).unwrap());
    let page = world
        .store
        .list_resources(of, &listing.selection, after.as_ref(), listing.limit);
    page.await.unwrap()
}

/// The names of what a query lists.
async fn names(world: &World, query: &[(&str, &str)]) -> Vec<String> {
    let page = page(world, query).await;
    page.items.into_iter().map(|one| one.name).collect()
}

async fn insert(world: &World, resource: Resource) -> ResourceId {
    world.insert(&resource).await;
    resource.id
}

fn labeled(name: &str, labels: &[(&str, &str)]) -> Resource {
    let mut resource = container(name);
    for (key, value) in labels {
        resource
            .labels
            .insert((*key).to_owned(), (*value).to_owned());
    }
    resource
}

async fn names_are_tested_by_every_modifier(world: World) {
    for name in ["web-1", "web-2", "Web-1", "db", "100%_*", "wec"] {
        insert(&world, container(name)).await;
    }
    for (parameter, value, expected) in [
        ("name", "db", vec!["db"]),
        ("name", "DB", vec![]),
        (
            "name_ne",
            "db",
            vec!["web-1", "web-2", "Web-1", "100%_*", "wec"],
        ),
        ("name_in", "db, web-2,none", vec!["web-2", "db"]),
        ("name_like", "web*", vec!["web-1", "web-2"]),
        ("name_like", "*-1", vec!["web-1", "Web-1"]),
        ("name_like", "*e*-*", vec!["web-1", "web-2", "Web-1"]),
        ("name_like", "web", vec![]),
        ("name_like", "web__", vec![]),
        ("name_like", "web?1", vec![]),
        ("name_like", "[dx]b", vec![]),
        ("name_like", "100%_\\*", vec!["100%_*"]),
        ("name_like", "1%", vec![]),
        ("name_prefix", "web", vec!["web-1", "web-2"]),
        ("name_prefix", "100%", vec!["100%_*"]),
        (
            "name_prefix",
            "",
            vec!["web-1", "web-2", "Web-1", "db", "100%_*", "wec"],
        ),
        // By their characters: capitals come first.
        ("name_gt", "db", vec!["web-1", "web-2", "wec"]),
        ("name_gte", "web-2", vec!["web-2", "wec"]),
        ("name_lt", "db", vec!["Web-1", "100%_*"]),
        ("name_lte", "db", vec!["Web-1", "db", "100%_*"]),
        (
            "image",
            "drover/hello",
            vec!["web-1", "web-2", "Web-1", "db", "100%_*", "wec"],
        ),
        (
            "image_like",
            "*/hello",
            vec!["web-1", "web-2", "Web-1", "db", "100%_*", "wec"],
        ),
        ("image_prefix", "drover/x", vec![]),
        ("image_in", "a,b", vec![]),
        ("image_ne", "drover/hello", vec![]),
    ] {
        let found = names(&world, &[(parameter, value)]).await;
        assert_eq!(found, expected, "{parameter}={value}");
    }
}

async fn moments_numbers_ids_and_flags_are_tested_as_what_they_are(world: World) {
    let project = fresh::resource_id();
    let mut ids = Vec::new();
    for (number, code) in [None, Some(0), Some(9), Some(10), Some(-1)]
        .into_iter()
        .enumerate()
    {
        let mut resource = container(&format!("{number}"));
        resource.created = at(i64::try_from(number).unwrap());
        resource.project = (number > 2).then_some(project);
        if let Details::Container { status, .. } = &mut resource.details {
            status.exit_code = code;
        }
        ids.push(insert(&world, resource).await);
    }
    let second = at(1).to_string();
    let two = format!("{},{}", ids[0], ids[4]);
    for (parameter, value, expected) in [
        ("exitCode", "9", "2"),
        ("exitCode_ne", "9", "0134"),
        ("exitCode_in", "9,10,11", "23"),
        ("exitCode_gt", "9", "3"),
        ("exitCode_gte", "9", "23"),
        ("exitCode_lt", "0", "4"),
        ("exitCode_lte", "0", "14"),
        ("exitCode_null", "true", "0"),
        ("exitCode_null", "false", "1234"),
        ("created", second.as_str(), "1"),
        ("created_ne", second.as_str(), "0234"),
        ("created_gt", second.as_str(), "234"),
        ("created_gte", second.as_str(), "1234"),
        ("created_lt", second.as_str(), "0"),
        ("created_lte", second.as_str(), "01"),
        ("removed_null", "true", "01234"),
        ("id", &ids[3].to_string(), "3"),
        ("id_ne", &ids[3].to_string(), "0124"),
        ("id_in", &two, "04"),
        ("projectId", &project.to_string(), "34"),
        ("projectId_ne", &project.to_string(), "012"),
        ("projectId_null", "true", "012"),
        ("hostId_null", "false", ""),
        ("hostId_in", &two, ""),
        ("state", "requested", "01234"),
        ("state_ne", "requested", ""),
        ("state_in", "running,stopped", ""),
    ] {
        let found = names(&world, &[(parameter, value)]).await;
        assert_eq!(found.concat(), expected, "{parameter}={value}");
    }
    for (name, operator) in [("root", true), ("guest", false)] {
        let spec = AccountSpec {
            operator,
            ..AccountSpec::default()
        };
        let status = AccountStatus::default();
        let details = Details::Account { spec, status };
        insert(&world, resource(name, State::Active, details)).await;
    }
    for (parameter, value, expected) in [
        ("operator", "true", "root"),
        ("operator", "false", "guest"),
        ("operator_ne", "true", "guest"),
    ] {
        let found = page_of(&world, ResourceType::Account, &[(parameter, value)]).await;
        let found: Vec<&str> = found.items.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(found, [expected], "{parameter}={value}");
    }
}

async fn what_has_no_value_differs_from_every_value(world: World) {
    let machine = fresh::resource_id();
    let mut placed = container("placed");
    placed.host = Some(machine);
    insert(&world, placed).await;
    insert(&world, container("waiting")).await;
    let machine = machine.to_string();
    assert_eq!(names(&world, &[("hostId", &machine)]).await, ["placed"]);
    assert_eq!(names(&world, &[("hostId_ne", &machine)]).await, ["waiting"]);
    let other = fresh::resource_id().to_string();
    let all = names(&world, &[("hostId_ne", &other)]).await;
    assert_eq!(all, ["placed", "waiting"]);
}

async fn conditions_are_joined_by_and(world: World) {
    for number in 0..5 {
        insert(&world, labeled(&format!("n{number}"), &[("team", "x")])).await;
    }
    let query = [
        ("name_gt", "n0"),
        ("name_lt", "n4"),
        ("name_ne", "n2"),
        ("labels", "team=x"),
    ];
    assert_eq!(names(&world, &query).await, ["n1", "n3"]);
    let query = [
        ("name_gt", "n0"),
        ("labels", "team=x"),
        ("labels", "team!=x"),
    ];
    assert!(names(&world, &query).await.is_empty());
}

async fn labels_select_as_the_domain_says(world: World) {
    let all = [
        labeled("none", &[]),
        labeled("x", &[("team", "x"), ("env", "prod")]),
        labeled("y", &[("team", "y"), ("$odd.\"key'[0]", "it's")]),
        labeled("z", &[("team", "z"), ("env", ""), ("a.b/c", "null")]),
        labeled("xx", &[("Team", "x"), ("te%m", "x"), ("team", "X")]),
    ];
    for one in &all {
        insert(&world, one.clone()).await;
    }
    for selector in [
        "team=x",
        "team!=x",
        "team in (x,y,none)",
        "team in (X)",
        "team notin (x, z)",
        "team",
        "!team",
        "env=",
        "env!=",
        "env",
        "a.b/c=null",
        "a.b/c",
        "a",
        "a.b/c in (null)",
        "\"$odd.\\\"key'[0]\"=it's",
        "\"$odd.\\\"key'[0]\"",
        "!\"$odd.\\\"key'[0]\",team",
        "te%m=x",
        "$",
        "team=x,env=prod",
        "team=x,env!=prod",
        "team=x' OR '1'='1",
    ] {
        let parsed = Selector::parse(selector).unwrap();
        let expected: Vec<&str> = all
            .iter()
            .filter(|one| parsed.selects(&one.labels))
            .map(|one| one.name.as_str())
            .collect();
        assert_eq!(
            names(&world, &[("labels", selector)]).await,
            expected,
            "{selector}"
        );
    }
}

async fn values_that_look_like_sql_are_values(world: World) {
    let evil = [
        "'; DROP TABLE resource; --",
        "\" OR 1=1 --",
        "$1",
        "?",
        "a\\",
        "%",
        "''",
        "\u{1}",
    ];
    for name in evil {
        insert(&world, labeled(name, &[("key", name)])).await;
    }
    for name in evil {
        let pattern = name.replace('\\', "\\\\");
        for (parameter, value) in [
            ("name", name),
            ("name_prefix", name),
            ("name_like", pattern.as_str()),
            ("name_in", name),
        ] {
            let found = names(&world, &[(parameter, value)]).await;
            assert_eq!(found, [name], "{parameter}={value}");
        }
        let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
        let selector = format!("key=\"{quoted}\"");
        assert_eq!(names(&world, &[("labels", &selector)]).await, [name]);
        let selector = format!("\"{quoted}\"=a");
        assert!(names(&world, &[("labels", &selector)]).await.is_empty());
    }
    assert_eq!(
        names(&world, &[("name_ne", "none")]).await.len(),
        evil.len()
    );
}

async fn a_list_is_in_its_order_and_the_id_decides_among_equals(world: World) {
    for (name, second) in [("b", 2), ("a", 2), ("B", 1), ("b", 0), ("ä", 1), ("a", 0)] {
        let mut resource = container(name);
        resource.created = at(second);
        insert(&world, resource).await;
    }
    for (sort, expected) in [
        ("id", "b2 a2 B1 b0 ä1 a0"),
        ("-id", "a0 ä1 b0 B1 a2 b2"),
        ("name", "B1 a2 a0 b2 b0 ä1"),
        ("-name", "ä1 b0 b2 a0 a2 B1"),
        ("created", "b0 a0 B1 ä1 b2 a2"),
        ("-created", "a2 b2 ä1 B1 a0 b0"),
    ] {
        let found = page(&world, &[("sort", sort)]).await;
        let shown = |one: &Resource| {
            let second = (one.created.millis() - NOW.millis()) / 1_000;
            format!("{}{second}", one.name)
        };
        let found: Vec<String> = found.items.iter().map(shown).collect();
        assert_eq!(found.join(" "), expected, "{sort}");
    }
}

/// What others do between two pages.
#[derive(Default)]
struct Others {
    /// These are removed, one after a page.
    leaving: Vec<ResourceId>,
    /// So many come, after each page.
    coming: i64,
}

impl Others {
    async fn act(&mut self, world: &World, page: i64) {
        for offset in 0..self.coming {
            let mut resource = container(&format!("{}", (page + offset) % 5));
            resource.created = at((page + offset) % 7);
            insert(world, resource).await;
        }
        if let Some(gone) = self.leaving.pop() {
            let found = world.store.resource(ResourceType::Container, gone).await;
            let mut resource = found.unwrap().unwrap();
            resource.removed = Some(NOW);
            resource.state = State::Removed;
            resource.version += 1;
            let expected = resource.version - 1;
            assert!(world.rewrite(&resource, expected).await);
        }
    }
}

/// Walks through all pages, and through so many at most.
async fn walk(world: &World, query: &[(&str, &str)], mut others: Others) -> Vec<Resource> {
    let mut seen = Vec::new();
    let mut marker: Option<String> = None;
    for number in 0..1_000 {
        let mut query = query.to_vec();
        if let Some(marker) = &marker {
            query.push(("marker", marker));
        }
        let found = page(world, &query).await;
        seen.extend(found.items);
        marker = found.next.map(|marker| marker.to_string());
        if marker.is_none() {
            return seen;
        }
        others.act(world, number).await;
        // Else a list that ends with the newest would never end.
        others.coming = if number < 6 { others.coming } else { 0 };
    }
    panic!("the list has no end");
}

const ORDERS: [&str; 6] = ["id", "-id", "name", "-name", "created", "-created"];

async fn pages_join_up_in_every_order(world: World) {
    for number in 0..23_i64 {
        let mut resource = container(&format!("{}", number % 4));
        resource.created = at(number % 3);
        insert(&world, resource).await;
    }
    for sort in ORDERS {
        let whole = page(&world, &[("sort", sort)]).await;
        assert_eq!(whole.items.len(), 23);
        assert!(whole.next.is_none());
        for limit in ["1", "4", "22", "23", "24"] {
            let query = [("sort", sort), ("limit", limit)];
            let seen = walk(&world, &query, Others::default()).await;
            assert_eq!(seen, whole.items, "{sort}, {limit} a page");
        }
        let query = [("sort", sort), ("limit", "2"), ("name_in", "1,3")];
        let seen = walk(&world, &query, Others::default()).await;
        let expected = whole
            .items
            .iter()
            .filter(|one| one.name == "1" || one.name == "3");
        assert!(seen.iter().eq(expected), "{sort}");
    }
}

async fn pages_neither_repeat_nor_skip_while_others_insert_and_remove(world: World) {
    for sort in ORDERS {
        let world = world.elsewhere().await;
        let mut there = Vec::new();
        for number in 0..30_i64 {
            let mut resource = labeled(&format!("{}", number % 5), &[("here", "from the start")]);
            resource.created = at(number % 7);
            there.push(insert(&world, resource).await);
        }
        // What is removed meanwhile may be seen or not; everything else that was there is seen once.
        let others = Others {
            leaving: there.iter().copied().step_by(6).collect(),
            coming: 3,
        };
        let seen = walk(&world, &[("sort", sort), ("limit", "4")], others).await;
        let mut times: BTreeMap<ResourceId, u32> = BTreeMap::new();
        for one in &seen {
            *times.entry(one.id).or_default() += 1;
        }
        assert!(
            times.values().all(|times| *times == 1),
            "{sort}: some are repeated"
        );
        for (number, id) in there.iter().enumerate() {
            assert!(
                number % 6 == 0 || times.contains_key(id),
                "{sort}: {number} is skipped"
            );
        }
    }
}

async fn processes(world: &World, query: &[(&str, &str)]) -> Vec<Process> {
    let listing = listing(Listed::Process, query);
    let page = world
        .store
        .list_processes(&listing.selection, None, listing.limit);
    page.await.unwrap().items
}

async fn processes_have_the_same_language(world: World) {
    let project = world.project("one").await;
    let done = world.settled("done").await;
    let mut inside = container("inside");
    inside.project = Some(project);
    let inside = world.accept(to_create(inside)).await.process;
    let start = world.accept(to_change(&done, Request::Start)).await.process;
    let (done, resource) = (done.id.to_string(), inside.resource.id.to_string());
    let project = project.to_string();
    assert_eq!(processes(&world, &[]).await.len(), 3);
    assert_eq!(processes(&world, &[("resourceId", &done)]).await.len(), 2);
    assert_eq!(
        processes(&world, &[("resourceId", &resource)]).await,
        std::slice::from_ref(&inside)
    );
    assert_eq!(
        processes(&world, &[("projectId", &project)]).await,
        std::slice::from_ref(&inside)
    );
    assert_eq!(
        processes(&world, &[("projectId_null", "true")]).await.len(),
        2
    );
    assert_eq!(
        processes(&world, &[("name", "start")]).await,
        std::slice::from_ref(&start)
    );
    assert_eq!(processes(&world, &[("name_ne", "start")]).await.len(), 2);
    assert_eq!(
        processes(&world, &[("phase", "queued,running")]).await,
        [inside, start.clone()]
    );
    assert_eq!(
        processes(&world, &[("resourceType", "host")]).await.len(),
        0
    );
    assert_eq!(
        processes(&world, &[("finished_null", "false")]).await.len(),
        1
    );
    assert_eq!(
        processes(&world, &[("parentId_null", "true")]).await.len(),
        3
    );
    let now = NOW.to_string();
    assert_eq!(processes(&world, &[("created_gte", &now)]).await.len(), 3);
    assert_eq!(processes(&world, &[("started_gt", &now)]).await.len(), 0);

    let first = listing(Listed::Process, &[("sort", "-id"), ("limit", "1")]);
    let page = world.store.list_processes(&first.selection, None, 1).await;
    let page = page.unwrap();
    assert_eq!(page.items, [start]);
    let rest = world
        .store
        .list_processes(&first.selection, page.next.as_ref(), 5);
    let rest = rest.await.unwrap();
    assert_eq!(rest.items.len(), 2);
    assert!(rest.next.is_none());
}

async fn several_are_read_by_their_ids_in_one_query(world: World) {
    let first = world.queued("first").await;
    let second = world.queued("second").await;
    let absent = fresh::resource_id();
    let ids = [
        first.resource.id,
        second.resource.id,
        absent,
        first.resource.id,
    ];
    let found = world.store.resources_of(ids).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[&second.resource.id].name, "second");
    let ids = [first.id, fresh::process_id()];
    let found = world.store.processes_of(ids).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[&first.id], first);
}

async fn readers_who_come_together_each_get_their_own(world: World) {
    let mut expected = Vec::new();
    for number in 0..5 {
        let resource = labeled(&format!("{number}"), &[("number", "one")]);
        insert(&world, resource.clone()).await;
        expected.push(resource);
    }
    let (containers, hosts) = (ResourceType::Container, ResourceType::Host);
    let read = expected.iter().chain(&expected).map(|one| {
        let store = world.store.clone();
        async move { store.shared_resource(containers, one.id).await.unwrap() }
    });
    let read = futures::future::join_all(read).await;
    for (read, expected) in read.iter().zip(expected.iter().chain(&expected)) {
        assert_eq!(read.as_deref(), Some(expected));
    }
    let other = world.store.shared_resource(hosts, expected[0].id);
    assert!(other.await.unwrap().is_none());
    let absent = world
        .store
        .shared_resource(containers, fresh::resource_id());
    assert!(absent.await.unwrap().is_none());
}
