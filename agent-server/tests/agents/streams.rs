//! Streams: from a ticket to an agent, and what neither side can do to the other or to anybody else.

use std::time::Duration;

use drover_domain::stream::frame::{self, CONTENT_LIMIT, channel_of};
use drover_domain::stream::{Channel, Control, LogsRequest, StreamRequest};
use drover_proto::stream::{AGENT_STREAMS_PATH, STREAMS_PATH};
use drover_proto::v1::{Failure, StreamOpened, command, failure, reply};
use drover_store::clock::{Clock, SystemClock};
use drover_store::{Attached, StreamTicket, TicketText, fresh};
use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use uuid::Uuid;

use crate::world::{Known, SOON, Socket, World, ping};

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Dials a WebSocket; the status and the code of the problem if there is none.
async fn dial(world: &World, path: &str, bearer: &str) -> Result<Stream, (u16, String)> {
    let mut request = format!("ws://{}{path}", world.address)
        .into_client_request()
        .unwrap();
    let bearer = format!("Bearer {bearer}").parse().unwrap();
    request.headers_mut().insert("authorization", bearer);
    match Box::pin(tokio_tungstenite::connect_async(request)).await {
        Ok((stream, _)) => Ok(stream),
        Err(Error::Http(answer)) => {
            let body = answer.body().clone().unwrap_or_default();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            let code = body["code"].as_str().unwrap_or_default().to_owned();
            Err((answer.status().as_u16(), code))
        }
        Err(error) => panic!("{error}"),
    }
}

/// A ticket for the log of some container of an agent.
async fn ticket(world: &World, agent: &Known) -> TicketText {
    let logs = LogsRequest {
        follow: true,
        tail: Some(5),
        since: None,
        timestamps: false,
        stdout: true,
        stderr: true,
    };
    let ticket = StreamTicket {
        host: agent.host,
        agent: agent.id,
        container: fresh::resource_id(),
        request: StreamRequest::Logs(logs),
    };
    let expires = SystemClock.now().after(SOON);
    let made = world
        .store
        .make_ticket(&ticket, expires, Attached::nothing());
    made.await.unwrap()
}

async fn ask(world: &World, ticket: &TicketText) -> Result<Stream, (u16, String)> {
    dial(
        world,
        &format!("{STREAMS_PATH}/{}", ticket.id),
        &ticket.secret,
    )
    .await
}

/// The id of the stream that an agent is asked for, and of the command.
async fn asked(socket: &mut Socket) -> (String, String) {
    let command = socket.command().await;
    match command.action {
        Some(command::Action::OpenStream(open)) => (open.stream_id, command.id),
        other => panic!("not asked for a stream: {other:?}"),
    }
}

/// The agent does what it is asked: it replies, and dials.
async fn answer(world: &World, agent: &Known, socket: &mut Socket) -> Stream {
    let (stream, command) = asked(socket).await;
    let opened = reply::Result::StreamOpened(StreamOpened {});
    socket.reply(&command, opened).await;
    let path = format!("{AGENT_STREAMS_PATH}/{stream}");
    dial(world, &path, &agent.credential).await.unwrap()
}

/// Both ends of a new stream: that of who asked, and that of the agent.
async fn open(world: &World, agent: &Known, socket: &mut Socket) -> (Stream, Stream) {
    let ticket = ticket(world, agent).await;
    let (client, host) = tokio::join!(ask(world, &ticket), answer(world, agent, socket));
    (client.unwrap(), host)
}

async fn say(stream: &mut Stream, channel: Channel, bytes: &[u8]) {
    for message in frame::messages(channel, bytes) {
        stream.send(Message::binary(message)).await.unwrap();
    }
}

/// The next message that is no mere sign of life, or how it ends.
async fn hear(stream: &mut Stream) -> Result<Vec<u8>, Option<u16>> {
    loop {
        match timeout(SOON, stream.next()).await.expect("nothing is said") {
            Some(Ok(Message::Binary(bytes))) => return Ok(bytes.to_vec()),
            Some(Ok(Message::Close(close))) => return Err(close.map(|close| close.code.into())),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(None),
        }
    }
}

fn error_of(message: &[u8]) -> String {
    match Control::read(&message[1..]) {
        Some(Control::Error { code, .. }) => code,
        other => panic!("no error: {other:?}"),
    }
}

#[tokio::test]
async fn what_either_side_says_reaches_the_other_as_it_is_until_the_end() {
    let world = World::begin(Duration::from_secs(5)).await;
    let agent = world.agent().await;
    let mut socket = world.socket(&agent).await;
    let (mut client, mut host) = open(&world, &agent, &mut socket).await;
    say(&mut host, Channel::Stderr, b"a\0b\n").await;
    assert_eq!(hear(&mut client).await.unwrap(), b"\x02a\0b\n");
    say(&mut client, Channel::Stdin, b"x").await;
    assert_eq!(hear(&mut host).await.unwrap(), b"\0x");
    let exit = Control::Exit { code: 3 }.to_message();
    host.send(Message::binary(exit.clone())).await.unwrap();
    let close = CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    };
    host.send(Message::Close(Some(close))).await.unwrap();
    assert_eq!(hear(&mut client).await.unwrap(), exit);
    assert_eq!(hear(&mut client).await, Err(Some(1000)));
}

#[tokio::test]
async fn a_ticket_opens_one_stream() {
    let world = World::begin(Duration::from_secs(5)).await;
    let agent = world.agent().await;
    let mut socket = world.socket(&agent).await;
    let ticket = ticket(&world, &agent).await;
    let guessed = TicketText {
        id: ticket.id,
        secret: "guessed".to_owned(),
    };
    let refused = Err((401, "stream.ticket".to_owned()));
    assert_eq!(ask(&world, &guessed).await.map(drop), refused);
    let (first, _host) = tokio::join!(ask(&world, &ticket), answer(&world, &agent, &mut socket));
    assert!(first.is_ok());
    assert_eq!(ask(&world, &ticket).await.map(drop), refused);
}

#[tokio::test]
async fn the_stream_of_another_agent_cannot_be_taken_and_one_is_taken_once() {
    let world = World::begin(Duration::from_secs(5)).await;
    let (good, bad) = (world.agent().await, world.agent().await);
    let mut socket = world.socket(&good).await;
    let _other = world.socket(&bad).await;
    let ticket = ticket(&world, &good).await;
    let dialled = async {
        let (stream, _) = asked(&mut socket).await;
        let path = format!("{AGENT_STREAMS_PATH}/{stream}");
        let nothing = Err((404, "agent.noStream".to_owned()));
        assert_eq!(
            dial(&world, &path, &bad.credential).await.map(drop),
            nothing
        );
        let mut host = dial(&world, &path, &good.credential).await.unwrap();
        assert_eq!(
            dial(&world, &path, &good.credential).await.map(drop),
            nothing
        );
        say(&mut host, Channel::Stdout, b"mine").await;
        host
    };
    let (client, _host) = tokio::join!(ask(&world, &ticket), dialled);
    assert_eq!(hear(&mut client.unwrap()).await.unwrap(), b"\x01mine");
    let rows = world.offences("agent.stream.foreign").await;
    assert_eq!(rows[0].resource, Some(bad.id.uuid()));
    let made_up = format!("{AGENT_STREAMS_PATH}/{}", Uuid::new_v4());
    let nothing = Err((404, "agent.noStream".to_owned()));
    assert_eq!(
        dial(&world, &made_up, &good.credential).await.map(drop),
        nothing
    );
}

#[tokio::test]
async fn why_a_stream_cannot_be_had_is_said() {
    let world = World::begin(Duration::from_secs(5)).await;
    let agent = world.agent().await;
    let away = ticket(&world, &agent).await;
    let gone = ask(&world, &away).await.map(drop);
    assert_eq!(gone.unwrap_err().0, 421);
    let mut socket = world.socket(&agent).await;
    for (code, status, known_as) in [
        (failure::Code::NotFound, 404, "stream.notThere"),
        (failure::Code::Refused, 409, "stream.refused"),
        (failure::Code::Unsupported, 501, "stream.unsupported"),
        (failure::Code::Runtime, 502, "stream.failed"),
    ] {
        let ticket = ticket(&world, &agent).await;
        let (refused, ()) = tokio::join!(ask(&world, &ticket), async {
            let (_, command) = asked(&mut socket).await;
            let failure = Failure {
                code: code.into(),
                message: "not\u{1b}[2J".to_owned(),
            };
            socket
                .reply(&command, reply::Result::Failure(failure))
                .await;
        });
        let refused = refused.map(drop).unwrap_err();
        assert_eq!(refused, (status, known_as.to_owned()));
    }
}

#[tokio::test]
async fn an_agent_that_breaks_off_is_told_of_and_so_is_the_end_of_its_credential() {
    let world = World::begin(Duration::from_secs(5)).await;
    let agent = world.agent().await;
    let mut socket = world.socket(&agent).await;
    let (mut client, host) = open(&world, &agent, &mut socket).await;
    drop(host);
    assert_eq!(error_of(&hear(&mut client).await.unwrap()), "stream.lost");
    assert_eq!(hear(&mut client).await, Err(Some(1011)));
    let (mut client, mut host) = open(&world, &agent, &mut socket).await;
    world.store.revoke(agent.id).await.unwrap();
    assert_eq!(error_of(&hear(&mut client).await.unwrap()), "stream.lost");
    assert!(hear(&mut host).await.is_err());
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_stream_of_the_agent() {
    let world = World::begin(Duration::from_secs(5)).await;
    let agent = world.agent().await;
    let mut socket = world.socket(&agent).await;
    let (client, mut host) = open(&world, &agent, &mut socket).await;
    drop(client);
    assert!(hear(&mut host).await.is_err());
}

#[tokio::test]
async fn a_line_of_ten_megabytes_arrives_and_a_message_of_ten_megabytes_does_not() {
    let world = World::begin(Duration::from_secs(5)).await;
    let agent = world.agent().await;
    let mut socket = world.socket(&agent).await;
    let (mut client, mut host) = open(&world, &agent, &mut socket).await;
    let line = vec![b'x'; 10_000_000];
    let read = async {
        let mut length = 0;
        while length < line.len() {
            let message = hear(&mut client).await.unwrap();
            assert!(message.len() <= CONTENT_LIMIT + 1);
            assert_eq!(channel_of(&message), Some(Channel::Stdout));
            length += message.len() - 1;
        }
    };
    tokio::join!(read, say(&mut host, Channel::Stdout, &line));
    // At once, it is cut at its header.
    let sent = host.send(Message::binary(line)).await;
    drop(sent);
    assert_eq!(error_of(&hear(&mut client).await.unwrap()), "stream.lost");
}

#[tokio::test]
async fn a_reader_that_stops_stops_its_own_agent_stream_and_nothing_else() {
    let world = World::begin(Duration::from_secs(5)).await;
    let agent = world.agent().await;
    let mut socket = world.socket(&agent).await;
    let (stalled, mut stuck) = open(&world, &agent, &mut socket).await;
    let (mut client, mut host) = open(&world, &agent, &mut socket).await;
    socket.be_good();
    // Nobody reads: the one who writes is held back, and not much is held of what it wrote.
    let piece = vec![b'x'; CONTENT_LIMIT];
    let mut written = 0_usize;
    let filling = async {
        loop {
            say(&mut stuck, Channel::Stdout, &piece).await;
            written += piece.len();
        }
    };
    assert!(timeout(Duration::from_secs(2), filling).await.is_err());
    assert!(written < 32 << 20, "{written} bytes were taken for nobody");
    // Another stream of the same agent goes on at full speed, and so do commands.
    let began = Instant::now();
    let amount = 64 << 20;
    let read = async {
        let mut length = 0;
        while length < amount {
            length += hear(&mut client).await.unwrap().len() - 1;
        }
    };
    let write = async {
        for _ in 0..amount / piece.len() {
            say(&mut host, Channel::Stdout, &piece).await;
        }
    };
    let commands = async {
        for _ in 0..20 {
            let asked = Instant::now();
            assert!(world.ask(agent.host, ping(), SOON).await.is_ok());
            assert!(asked.elapsed() < Duration::from_secs(2));
        }
    };
    tokio::join!(read, write, commands);
    assert!(began.elapsed() < SOON, "it took {:?}", began.elapsed());
    drop(stalled);
}
