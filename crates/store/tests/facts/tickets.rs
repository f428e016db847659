//! Tickets of streams: each is taken once, in time, by whoever shows its secret.

use std::time::Duration;

use drover_domain::stream::{ExecRequest, StatsRequest, StreamRequest};
use drover_store::{Attached, News, Seen, StreamTicket, TicketText, fresh};

use crate::support::{NOW, World, at, host};

facts! {
    a_ticket_is_taken_once_whoever_is_shown_it,
    a_ticket_is_of_no_use_after_its_time_nor_to_who_does_not_know_its_secret,
    tickets_that_nobody_takes_are_forgotten,
    the_agent_of_a_host_is_where_it_connected_last,
}

fn ticket() -> StreamTicket {
    let exec = ExecRequest {
        command: vec!["sh".into(), "-c".into(), "echo 'ü'".into()],
        tty: true,
        ..ExecRequest::default()
    };
    StreamTicket {
        host: fresh::resource_id(),
        agent: fresh::resource_id(),
        container: fresh::resource_id(),
        request: StreamRequest::Exec(exec),
    }
}

async fn make(world: &World, ticket: &StreamTicket) -> TicketText {
    let made = world.store.make_ticket(ticket, at(30), Attached::nothing());
    made.await.unwrap()
}

async fn a_ticket_is_taken_once_whoever_is_shown_it(world: World) {
    let ticket = ticket();
    let text = make(&world, &ticket).await;
    assert!(!format!("{text:?}").contains(&text.secret));
    let other = world.second_server().await;
    let (one, two) = tokio::join!(
        world.store.take_ticket(&text, NOW),
        other.take_ticket(&text, NOW)
    );
    let taken: Vec<_> = [one.unwrap(), two.unwrap()].into_iter().flatten().collect();
    assert_eq!(taken, [ticket]);
    assert_eq!(world.store.take_ticket(&text, NOW).await.unwrap(), None);
}

async fn a_ticket_is_of_no_use_after_its_time_nor_to_who_does_not_know_its_secret(world: World) {
    let text = make(&world, &ticket()).await;
    let guessed = TicketText {
        id: text.id,
        secret: "guessed".to_owned(),
    };
    let take = async |text, now| world.store.take_ticket(text, now).await.unwrap();
    assert_eq!(take(&guessed, NOW).await, None);
    assert_eq!(take(&text, at(30)).await, None);
    assert!(take(&text, at(29)).await.is_some());
}

async fn tickets_that_nobody_takes_are_forgotten(world: World) {
    let mut stats = ticket();
    stats.request = StreamRequest::Stats(StatsRequest { live: true });
    let old = make(&world, &stats).await;
    let later = at(30).after(Duration::from_secs(30));
    let new = world.store.make_ticket(&stats, later, Attached::nothing());
    let new = new.await.unwrap();
    assert_eq!(world.store.forget_tickets(at(29), 10).await.unwrap(), 0);
    assert_eq!(world.store.forget_tickets(at(31), 10).await.unwrap(), 1);
    assert_eq!(world.store.take_ticket(&old, NOW).await.unwrap(), None);
    assert!(
        world
            .store
            .take_ticket(&new, at(31))
            .await
            .unwrap()
            .is_some()
    );
}

async fn the_agent_of_a_host_is_where_it_connected_last(world: World) {
    let store = &world.store;
    let host = host("one");
    world.insert(&host).await;
    assert_eq!(store.agent_of(host.id).await.unwrap(), None);
    let (server, agent) = (fresh::server_id(), fresh::resource_id());
    let address = "http://10.0.0.1:8090";
    store.beat(server, Some(address), NOW).await.unwrap();
    let news = News::Connected {
        agent,
        server,
        at: NOW,
    };
    let number = store.tell_presence(host.id, news).await.unwrap().unwrap();
    let seen = |is_connected| {
        Some(Seen {
            agent,
            server,
            address: Some(address.to_owned()),
            is_connected,
        })
    };
    assert_eq!(store.agent_of(host.id).await.unwrap(), seen(true));
    store.end_agent_server(server, None, at(1)).await.unwrap();
    assert_eq!(store.agent_of(host.id).await.unwrap(), seen(false));
    store.beat(server, None, at(2)).await.unwrap();
    assert_eq!(store.agent_of(host.id).await.unwrap(), seen(true));
    let gone = News::Gone { number, at: at(3) };
    store.tell_presence(host.id, gone).await.unwrap();
    assert_eq!(store.agent_of(host.id).await.unwrap(), seen(false));
}
