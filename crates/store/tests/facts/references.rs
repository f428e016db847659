//! What containers refer to by its name: a name means one thing in a project, and who refers is known.

use drover_domain::listing::{Listed, Listing};
use drover_domain::resource::{
    Details, Mount, NetworkAttachment, NetworkSpec, VolumeSpec, VolumeStatus,
};
use drover_domain::{Resource, ResourceId, ResourceType, State};
use drover_store::{Attached, NamedError, NetworkRemoval, fresh};

use crate::support::{NOW, World, container, resource};

facts! {
    a_name_means_one_thing_in_a_project,
    a_name_is_free_again_once_what_had_it_is_removed,
    who_refers_to_something_is_known_and_listed,
    a_network_that_containers_join_stays,
}

fn volume(name: &str, project: ResourceId) -> Resource {
    let details = Details::Volume {
        spec: VolumeSpec::default(),
        status: VolumeStatus::default(),
    };
    Resource {
        project: Some(project),
        ..resource(name, State::Detached, details)
    }
}

fn network(name: &str, project: ResourceId) -> Resource {
    let spec = NetworkSpec::default();
    Resource {
        project: Some(project),
        ..resource(name, State::Active, Details::Network { spec })
    }
}

/// A container that mounts a volume and joins a network.
fn user(name: &str, project: ResourceId, volume: &str, network: &str) -> Resource {
    let mut user = container(name);
    user.project = Some(project);
    if let Details::Container { spec, .. } = &mut user.details {
        spec.volumes = vec![Mount {
            volume: Some(volume.to_owned()),
            target: "/data".to_owned(),
            ..Mount::default()
        }];
        spec.networks = vec![NetworkAttachment {
            network: network.to_owned(),
            ..NetworkAttachment::default()
        }];
    }
    user
}

async fn make(world: &World, new: &Resource) -> Result<(), NamedError> {
    let made = world.store.insert_named(new, Attached::nothing()).await?;
    assert!(made.is_done());
    Ok(())
}

async fn a_name_means_one_thing_in_a_project(world: World) {
    let (one, other) = (fresh::resource_id(), fresh::resource_id());
    make(&world, &volume("data", one)).await.unwrap();
    make(&world, &volume("data", other)).await.unwrap();
    make(&world, &network("data", one)).await.unwrap();
    let taken = make(&world, &volume("data", one)).await.unwrap_err();
    assert!(matches!(taken, NamedError::NameTaken));
    let mut renamed = volume("logs", one);
    make(&world, &renamed).await.unwrap();
    renamed.name = "data".to_owned();
    renamed.version += 1;
    let rewritten = world
        .store
        .rewrite_named(&renamed, 0, Attached::nothing())
        .await;
    assert!(matches!(rewritten, Err(NamedError::NameTaken)));
    let found = world
        .store
        .named(Some(one), ResourceType::Volume, &["data", "logs", "none"])
        .await
        .unwrap();
    let found: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(found, ["data", "logs"]);
}

async fn a_name_is_free_again_once_what_had_it_is_removed(world: World) {
    let project = fresh::resource_id();
    let first = network("back", project);
    make(&world, &first).await.unwrap();
    let removed = world
        .store
        .remove_network(first.id, NOW, Attached::nothing())
        .await;
    assert!(matches!(removed.unwrap(), NetworkRemoval::Removed(_)));
    make(&world, &network("back", project)).await.unwrap();
}

async fn who_refers_to_something_is_known_and_listed(world: World) {
    let (project, other) = (fresh::resource_id(), fresh::resource_id());
    let data = volume("data", project);
    for one in [
        user("first", project, "data", "back"),
        user("second", project, "data", "front"),
        user("third", project, "logs", "back"),
        user("elsewhere", other, "data", "back"),
    ] {
        world.insert(&one).await;
    }
    let names =
        |found: &[Resource]| -> Vec<String> { found.iter().map(|one| one.name.clone()).collect() };
    let users = world.store.users(&data, 10).await.unwrap();
    assert_eq!(names(&users), ["first", "second"]);
    let users = world.store.users(&data, 1).await.unwrap();
    assert_eq!(names(&users), ["first"]);
    let back = network("back", project);
    let users = world.store.users(&back, 10).await.unwrap();
    assert_eq!(names(&users), ["first", "third"]);
    let of = ResourceType::Container;
    for (field, value, expected) in [
        ("volume", "logs", &["third"][..]),
        ("network", "back", &["first", "third", "elsewhere"]),
        ("volume", "x' OR 1=1 --", &[]),
    ] {
        let listing = Listing::parse(Listed::Resource(of), [(field, value)]).unwrap();
        let page = world
            .store
            .list_resources(of, &listing.selection, None, 10)
            .await
            .unwrap();
        assert_eq!(names(&page.items), expected, "{field}={value}");
    }
}

async fn a_network_that_containers_join_stays(world: World) {
    let project = fresh::resource_id();
    let back = network("back", project);
    make(&world, &back).await.unwrap();
    let user = user("web", project, "data", "back");
    world.insert(&user).await;
    let before = world.rows().await;
    let removal = world
        .store
        .remove_network(back.id, NOW, Attached::nothing())
        .await
        .unwrap();
    let NetworkRemoval::InUse(by) = removal else {
        panic!("it is {removal:?}")
    };
    assert_eq!(by, ["web"]);
    assert_eq!(world.rows().await, before);
}
