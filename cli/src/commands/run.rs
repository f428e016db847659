//! `drover run`: creates a container, and stays with it until it runs.
//!
//! The id goes to standard output, so that `drover stop $(drover run …)` works; the sentence about
//! it goes to standard error.

use drover_domain::resource::{
    ContainerPlacement, ContainerSpec, NetworkAttachment, ResourceLimits,
};
use serde::Serialize;
use serde_json::Value;

use super::{Session, id_of, title};
use crate::arguments::{RunArguments, map_of};
use crate::client::Kind;
use crate::client::views::Container;
use crate::failure::Failure;
use crate::render::containers::ports;

/// What is sent: the spec, and the fields that every resource has.
#[derive(Debug, Serialize)]
struct NewContainer {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    labels: std::collections::BTreeMap<String, String>,
    #[serde(flatten)]
    spec: ContainerSpec,
}

/// Carries out the command.
///
/// # Errors
/// What the server refused, or why the container does not run.
pub async fn run(session: &Session<'_>, arguments: RunArguments) -> Result<(), Failure> {
    let client = &session.client;
    let detach = arguments.detach;
    let host_id = match &arguments.host {
        None => None,
        Some(host) => {
            let host = client.find(Kind::Host, host).await?;
            let id = id_of(client, &host)?;
            Some(
                id.parse()
                    .map_err(|_| client.not_the_api("an id is no UUID"))?,
            )
        }
    };
    let container = new_container(arguments, host_id);
    let body =
        serde_json::to_value(&container).map_err(|error| client.not_the_api(&error.to_string()))?;
    let accepted = client.post("/v1/containers", &body).await?;
    if detach {
        return show(session, &accepted);
    }
    session.complete(&accepted).await?;
    let path = format!("/v1/containers/{}", id_of(client, &accepted)?);
    show(session, &client.get(&path, &[]).await?)
}

fn show(session: &Session<'_>, resource: &Value) -> Result<(), Failure> {
    if session.terminal.wants_json() {
        return session.terminal.print_json(resource);
    }
    let container: Container = session.client.view(resource)?;
    let mut sentence = format!("{} is {}", title(resource), container.state);
    if !container.bound_ports.is_empty() {
        sentence.push_str(&format!(", {}", ports(&container.bound_ports)));
    }
    session.terminal.note(&sentence);
    session
        .terminal
        .print(&crate::render::escape::escape(&container.id))
}

fn new_container(
    arguments: RunArguments,
    host_id: Option<drover_domain::ResourceId>,
) -> NewContainer {
    NewContainer {
        name: arguments.name,
        labels: map_of(arguments.label),
        spec: ContainerSpec {
            image: arguments.image,
            pull_policy: arguments.pull.into(),
            entrypoint: arguments.entrypoint,
            command: arguments.command,
            environment: map_of(arguments.env),
            working_dir: arguments.workdir,
            user: arguments.user,
            ports: arguments.publish,
            resources: ResourceLimits {
                memory_mib: arguments.memory,
                cpu_millis: arguments.cpus,
            },
            networks: arguments
                .network
                .into_iter()
                .map(|network| NetworkAttachment {
                    network,
                    aliases: arguments.network_alias.clone(),
                })
                .collect(),
            volumes: arguments.volume,
            placement: ContainerPlacement {
                host_id,
                ..ContainerPlacement::default()
            },
            restart_policy: arguments.restart.unwrap_or_default(),
            health_check: None,
            start: !arguments.no_start,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Arguments, Command};

    #[test]
    fn every_flag_arrives_in_the_spec() {
        let line = [
            "drover",
            "run",
            "busybox",
            "--name",
            "web",
            "-e",
            "A=b",
            "-l",
            "team=x",
            "-p",
            "127.0.0.1:8081:80",
            "--memory",
            "64m",
            "--cpus",
            "0.5",
            "--entrypoint",
            "/bin/sh",
            "--workdir",
            "/srv",
            "--user",
            "1000",
            "--network",
            "back",
            "--network-alias",
            "db",
            "-v",
            "data:/data",
            "-v",
            "/srv/x:/x:ro",
            "--restart",
            "on-failure:3",
            "--pull",
            "always",
            "--no-start",
            "--",
            "-c",
            "true",
        ];
        let Command::Run(run) = Arguments::from_command_line(line).unwrap().command else {
            panic!("not a run");
        };
        let sent = serde_json::to_value(new_container(*run, None)).unwrap();
        insta::assert_json_snapshot!(sent, @r#"
        {
          "command": [
            "-c",
            "true"
          ],
          "entrypoint": [
            "/bin/sh"
          ],
          "environment": {
            "A": "b"
          },
          "healthCheck": null,
          "image": "busybox",
          "labels": {
            "team": "x"
          },
          "name": "web",
          "networks": [
            {
              "aliases": [
                "db"
              ],
              "network": "back"
            }
          ],
          "placement": {
            "apart": [],
            "hostId": null,
            "hostLabels": {},
            "near": [],
            "onHostLoss": "wait",
            "strategy": "spread"
          },
          "ports": [
            {
              "containerPort": 80,
              "hostIp": "127.0.0.1",
              "hostPort": 8081,
              "protocol": "tcp"
            }
          ],
          "pullPolicy": "always",
          "resources": {
            "cpuMillis": 500,
            "memoryMiB": 64
          },
          "restartPolicy": {
            "condition": "onFailure",
            "delaySeconds": 1,
            "maximumDelaySeconds": 300,
            "maximumRetries": 3,
            "resetAfterSeconds": 60
          },
          "start": false,
          "user": "1000",
          "volumes": [
            {
              "readOnly": false,
              "target": "/data",
              "volume": "data"
            },
            {
              "hostPath": "/srv/x",
              "readOnly": true,
              "target": "/x"
            }
          ],
          "workingDir": "/srv"
        }
        "#);
    }
}
