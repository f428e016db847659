//! `drover image` and `drover registry`: has images fetched before they are needed, and says who fetches
//! them.

use serde_json::{Value, json};

use super::storage::{remove, show};
use super::{Session, id_of, title};
use crate::arguments::{
    ImageCommand, ImagePullArguments, RegistryCommand, RegistryLoginArguments, map_of,
};
use crate::client::Kind;
use crate::clock;
use crate::failure::Failure;
use crate::render::escape::escape;
use crate::render::{IdLength, images};

/// The longest name of a resource. What it is called after may be longer.
const LONGEST_NAME: usize = 128;

/// Carries out `drover image`.
///
/// # Errors
/// What the server refused, or why an image is not on every host.
pub async fn image(session: &Session<'_>, command: ImageCommand) -> Result<(), Failure> {
    match command {
        ImageCommand::Pull(arguments) => pull(session, arguments).await,
        ImageCommand::List(arguments) => list_images(session, arguments.wide).await,
        ImageCommand::Show(arguments) => show(session, Kind::Image, &arguments.targets).await,
        ImageCommand::Remove(arguments) => {
            remove(session, Kind::Image, &arguments.targets, false).await
        }
    }
}

/// Carries out `drover registry`.
///
/// # Errors
/// What the server refused, or that there is no password.
pub async fn registry(session: &Session<'_>, command: RegistryCommand) -> Result<(), Failure> {
    match command {
        RegistryCommand::Login(arguments) => login(session, arguments).await,
        RegistryCommand::List(arguments) => list_credentials(session, arguments.wide).await,
        RegistryCommand::Remove(arguments) => {
            remove(session, Kind::RegistryCredential, &arguments.targets, false).await
        }
    }
}

async fn pull(session: &Session<'_>, arguments: ImagePullArguments) -> Result<(), Failure> {
    let client = &session.client;
    let mut hosts = Vec::with_capacity(arguments.host.len());
    for host in &arguments.host {
        let host = client.find(Kind::Host, host).await?;
        hosts.push(id_of(client, &host)?.to_owned());
    }
    let policy: drover_domain::resource::PullPolicy = arguments.pull.into();
    let body = json!({
        "name": name(&arguments.image),
        "image": arguments.image,
        "hostIds": hosts,
        "hostLabels": map_of(arguments.label),
        "pullPolicy": policy,
    });
    let accepted = client.post(Kind::Image.collection(), &body).await?;
    if !arguments.detach {
        session.complete(&accepted).await?;
    }
    let path = format!("{}/{}", Kind::Image.collection(), id_of(client, &accepted)?);
    let image = client.get(&path, &[]).await?;
    if session.terminal.wants_json() {
        return session.terminal.print_json(&image);
    }
    if !arguments.detach {
        let line = format!("{} hosts have it", image["fetched"]);
        session.terminal.note(&line);
    }
    session.terminal.print(&escape(id_of(client, &image)?))
}

/// Makes the credential of the project for a registry, or gives the one that there is another password.
async fn login(session: &Session<'_>, arguments: RegistryLoginArguments) -> Result<(), Failure> {
    let RegistryLoginArguments {
        registry,
        username,
        password_stdin,
    } = arguments;
    let prompt = format!("password of {username} at {registry}: ");
    let password = session.terminal.read_secret(&prompt, password_stdin)?;
    let client = &session.client;
    let collection = Kind::RegistryCredential.collection();
    let known = client
        .list(collection, &[("registry", registry.as_str())])
        .await?;
    let credential = match known.as_slice() {
        [] => {
            let body = json!({
                "name": name(&registry),
                "registry": registry,
                "username": username,
                "password": password,
            });
            client.post(collection, &body).await?
        }
        [known] => {
            let path = format!("{collection}/{}", id_of(client, known)?);
            let body = json!({ "username": username, "password": password });
            client.post(&format!("{path}/setPassword"), &body).await?;
            client.get(&path, &[]).await?
        }
        several => {
            return Err(Failure::Ambiguous {
                reference: registry,
                candidates: several.iter().map(title).collect(),
            });
        }
    };
    if session.terminal.wants_json() {
        return session.terminal.print_json(&credential);
    }
    session.terminal.print(&escape(id_of(client, &credential)?))
}

/// What something is called after what it is about.
fn name(about: &str) -> &str {
    match about.chars().count() <= LONGEST_NAME {
        true => about,
        false => "",
    }
}

async fn list_images(session: &Session<'_>, wide: bool) -> Result<(), Failure> {
    let Some(found) = listed(session, Kind::Image).await? else {
        return Ok(());
    };
    let mut list = Vec::with_capacity(found.len());
    for one in &found {
        list.push(session.client.view(one)?);
    }
    let ids = IdLength::from_wide(wide);
    let table = images::table(list, clock::now(), ids, session.look());
    session.terminal.print(&table)
}

async fn list_credentials(session: &Session<'_>, wide: bool) -> Result<(), Failure> {
    let Some(found) = listed(session, Kind::RegistryCredential).await? else {
        return Ok(());
    };
    let mut list = Vec::with_capacity(found.len());
    for one in &found {
        list.push(session.client.view(one)?);
    }
    let ids = IdLength::from_wide(wide);
    let table = images::credentials(list, clock::now(), ids, session.look());
    session.terminal.print(&table)
}

/// All of a type; none where they are printed already, as the API has them.
async fn listed(session: &Session<'_>, kind: Kind) -> Result<Option<Vec<Value>>, Failure> {
    let found = session.client.list(kind.collection(), &[]).await?;
    match session.terminal.wants_json() {
        true => {
            session.terminal.print_json(&Value::Array(found))?;
            Ok(None)
        }
        false => Ok(Some(found)),
    }
}
